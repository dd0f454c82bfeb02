"""The cases of APIs that are deployed through the management API: the load of `proxy` against one
REST method and one route of an HTTP API, each beside 299 others."""

from . import servers
from .cases import compare
from .management import HttpApi, Management, RestApi, wait_until_live
from .servers import UPSTREAM

ROUTES_COUNT = 300
ANSWER_BYTES = 256


def rest_proxy(bench):
    """256-byte answers through a REST method with HTTP_PROXY, deployed with 299 others"""
    return _proxy(bench, "REST method with HTTP_PROXY, 256 B", _deploy_rest_api)


def http_api_proxy(bench):
    """256-byte answers through a route of an HTTP API with HTTP_PROXY, deployed with 299 others"""
    return _proxy(bench, "HTTP API route with HTTP_PROXY, 256 B", _deploy_http_api)


def _proxy(bench, name, deploy):
    candidates = [
        servers.shardgate_deployed(bench, deploy),
        servers.nginx(),
        servers.haproxy(),
        servers.direct(),
    ]
    return compare(bench, name, candidates, "/", 0.9)


def _deploy_rest_api(running):
    management = Management(f"127.0.0.1:{running.management_port}")
    api, backend = RestApi(management), _backend(running)
    api.http_proxy(api.root, backend + "/")
    api.http_proxy(api.resource("status"), backend + "/")
    # The others in pairs: a collection and its members.
    for number in range((ROUTES_COUNT - 1) // 2):
        collection = api.resource(f"group{number}")
        api.http_proxy(collection, backend + "/")
        api.http_proxy(api.resource("{id}", collection), backend + "/")
    api.deploy()
    api.set_limits()
    return _live(running, management, api)


def _deploy_http_api(running):
    management = Management(f"127.0.0.1:{running.management_port}")
    api = HttpApi(management)
    target = api.integration(_backend(running))
    keys = servers.load_make_config().route_keys(ROUTES_COUNT)
    for key in keys:  # the last is `$default`, which takes the load
        api.route(key, target)
    api.stage()
    return _live(running, management, api)


def _backend(running):
    return f"http://127.0.0.1:{UPSTREAM + running.bench.shift}"


def _live(running, management, api):
    management.close()
    prefix = api.path("")
    # The backend's own answer, not one that the gateway gives.
    wait_until_live(f"127.0.0.1:{running.port}", prefix + "/", ANSWER_BYTES)
    return prefix


CASES_DEPLOYED = {"rest-proxy": rest_proxy, "http-api-proxy": http_api_proxy}
