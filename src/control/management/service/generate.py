#!/usr/bin/env python3
"""Writes the interface of the management API: apigateway.txt, apigatewayv2.txt,
apigatewaymanagementapi.txt and lambda.txt beside this file.

Reads the service models that botocore carries (`pip install botocore`). Of these it keeps names,
places, types and constraints, of operations and of what is reachable from them; no texts.

    python3 src/control/management/service/generate.py
"""

import gzip
import json
import pathlib
import re

import botocore

SERVICES = ["apigateway", "apigatewayv2", "apigatewaymanagementapi", "lambda"]

# What is there of a service that is not there as a whole. Its other operations are named without
# shapes, so that a request for one can be told what is missing.
PARTS = {
    "lambda": "AddPermission CreateAlias CreateFunction DeleteAlias DeleteFunction DeleteFunctionConcurrency "
    "GetAccountSettings GetAlias GetFunction GetFunctionConcurrency GetFunctionConfiguration GetPolicy Invoke "
    "InvokeWithResponseStream ListAliases ListFunctions ListTags ListVersionsByFunction PublishVersion PutFunctionConcurrency "
    "RemovePermission TagResource UntagResource UpdateAlias UpdateFunctionCode "
    "UpdateFunctionConfiguration".split(),
}

# Statuses that the model has otherwise than the service.
RECORDED_STATUSES = {"DeleteFunction": 204}

# Enumerations that grow with what is installed where a function runs, and are checked there.
OPEN_ENUMERATIONS = ["Runtime"]

# Validation messages list the values of an enumeration in an order of the service's own. Where it
# was recorded it is kept; elsewhere the model's order serves.
RECORDED_ORDERS = {
    "Op": "add remove move test replace copy",
    "EndpointType": "PRIVATE EDGE REGIONAL",
    "IntegrationType": "HTTP MOCK AWS_PROXY HTTP_PROXY AWS",
    "DocumentationPartType": "RESPONSE_BODY RESPONSE METHOD MODEL AUTHORIZER RESPONSE_HEADER RESOURCE "
    "PATH_PARAMETER REQUEST_BODY QUERY_PARAMETER API REQUEST_HEADER",
    "GatewayResponseType": "REQUEST_TOO_LARGE RESOURCE_NOT_FOUND AUTHORIZER_CONFIGURATION_ERROR "
    "MISSING_AUTHENTICATION_TOKEN BAD_REQUEST_BODY INVALID_SIGNATURE INVALID_API_KEY "
    "BAD_REQUEST_PARAMETERS AUTHORIZER_FAILURE UNAUTHORIZED INTEGRATION_TIMEOUT ACCESS_DENIED "
    "DEFAULT_4XX DEFAULT_5XX WAF_FILTERED QUOTA_EXCEEDED THROTTLED API_CONFIGURATION_ERROR "
    "UNSUPPORTED_MEDIA_TYPE INTEGRATION_FAILURE EXPIRED_TOKEN",
}

# Two shapes of the second service say their range in their name alone.
NAMED_RANGE = re.compile(r"LengthBetween(Minus)?(\d+)And(\d+)(K?)")


def load(service):
    folder = pathlib.Path(botocore.__file__).parent / "data" / service
    newest = sorted(folder.iterdir())[-1]
    with gzip.open(newest / "service-2.json.gz") as file:
        model = json.load(file)
    for name in OPEN_ENUMERATIONS:
        model["shapes"].get(name, {}).pop("enum", None)
    return model


def reference(shapes, name):
    """How a member names its type: a plain type by its kind, anything else by its name."""
    shape = shapes[name]
    kind = shape["type"]
    plain = kind not in ("structure", "list", "map") and not constraints(name, shape)
    return kind if plain and "enum" not in shape else name


def constraints(name, shape):
    found = {key: shape[key] for key in ("min", "max", "pattern") if key in shape}
    named = NAMED_RANGE.search(name)
    if named and "max" not in found:
        minus, low, high, kilo = named.groups()
        found["min"] = -int(low) if minus else int(low)
        found["max"] = int(high) * (1024 if kilo else 1)
    return [f"{key}={found[key]}" for key in ("min", "max", "pattern") if key in found]


def describe(shapes, name):
    shape = shapes[name]
    kind = shape["type"]
    if kind == "structure":
        required = shape.get("required", [])
        lines = [f"structure {name}"]
        for member, target in shape["members"].items():
            place = target.get("location", "body")
            if shape.get("payload") == member:
                place = "payload"
            wire = target.get("locationName", member)
            mark = "!" if member in required else ""
            lines.append(f"  {member}{mark} {place} {wire} {reference(shapes, target['shape'])}")
        return lines
    if kind == "list":
        return [f"list {name} {reference(shapes, shape['member']['shape'])}"]
    if kind == "map":
        return [f"map {name} {reference(shapes, shape['value']['shape'])}"]
    if "enum" in shape:
        return [f"enum {name} {RECORDED_ORDERS.get(name, ' '.join(shape['enum']))}"]
    return [" ".join([kind, name] + constraints(name, shape))]


def targets(shape):
    if shape["type"] == "structure":
        return [member["shape"] for member in shape["members"].values()]
    if shape["type"] == "list":
        return [shape["member"]["shape"]]
    if shape["type"] == "map":
        return [shape["value"]["shape"]]
    return []


def interface(service):
    model = load(service)
    shapes = model["shapes"]
    operations, wanted = [], []
    for name, operation in sorted(model["operations"].items()):
        http = operation["http"]
        status = RECORDED_STATUSES.get(name, http.get("responseCode", 200))
        given = operation.get("input", {}).get("shape", "-")
        answered = operation.get("output", {}).get("shape", "-")
        if name not in PARTS.get(service, [name]):
            given = answered = "-"
        operations.append(
            f"operation {name} {http['method']} {http['requestUri']} {status} {given} {answered}"
        )
        wanted += [shape for shape in (given, answered) if shape != "-"]
    seen = set()
    while wanted:
        name = wanted.pop()
        if name not in seen:
            seen.add(name)
            wanted += targets(shapes[name])
    described = []
    for name in sorted(seen):
        if reference(shapes, name) == name:
            described += describe(shapes, name)
    head = [
        f"# The interface of {service}, {model['metadata']['apiVersion']}: written by generate.py from the model",
        f"# in botocore {botocore.__version__} (Apache License 2.0), of which it holds names and constraints alone.",
        "#",
        "# operation NAME METHOD URI STATUS INPUT OUTPUT; structure NAME, then a line for each member:",
        "# NAME (! if required) PLACE WIRE-NAME TYPE; list NAME TYPE; map NAME TYPE; enum NAME VALUES;",
        "# and plain types with their constraints.",
        "",
    ]
    return "\n".join(head + operations + [""] + described) + "\n"


def main():
    for service in SERVICES:
        path = pathlib.Path(__file__).with_name(f"{service}.txt")
        path.write_text(interface(service))


if __name__ == "__main__":
    main()
