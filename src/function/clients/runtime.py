"""Speaks Lambda's Runtime API for a plain handler of Python (3.8 or newer, standard library alone).

The interpreter reads this from standard input. One connection is kept for all events, and each answer
is one write.
"""
import importlib
import json
import os
import socket
import sys
import time
import traceback

API = "/2018-06-01/runtime/"
NEXT = "invocation/next"
ROOT = os.environ.get("LAMBDA_TASK_ROOT", os.getcwd())
OWN_FILE = __file__ if "__file__" in globals() else "<stdin>"


class Connection:
    """The Runtime API, over one connection."""

    def __init__(self, address):
        host, _, port = address.rpartition(":")
        self.host = address
        self.socket = socket.create_connection((host.strip("[]"), int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""

    def call(self, method, path, headers=(), body=b""):
        self.socket.sendall(self.request(method, path, headers, body))
        return self.read_answer()

    def call_and_ask(self, method, path, headers=(), body=b""):
        """Asks for the next event in the same write; what that is answered is to be read next."""
        self.socket.sendall(self.request(method, path, headers, body) + self.request("GET", NEXT))
        return self.read_answer()

    def request(self, method, path, headers=(), body=b""):
        lines = ["%s %s%s HTTP/1.1" % (method, API, path), "Host: " + self.host]
        if method == "POST":
            lines.append("Content-Length: %d" % len(body))
        lines.extend("%s: %s" % pair for pair in headers)
        head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        return head + body

    def read_answer(self):
        head = self.read_until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = self.read_chunks()
        else:
            body = self.read_exactly(int(headers.get("content-length", "0")))
        return status, headers, body

    def read_until(self, end):
        while True:
            at = self.unread.find(end)
            if at >= 0:
                found, self.unread = self.unread[:at], self.unread[at + len(end):]
                return found
            self.unread += self.receive(65536)

    def read_exactly(self, count):
        if len(self.unread) >= count:
            found, self.unread = self.unread[:count], self.unread[count:]
            return found
        parts, left = [self.unread], count - len(self.unread)
        self.unread = b""
        while left > 0:
            part = self.receive(min(left, 1 << 20))
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def read_chunks(self):
        parts = []
        while True:
            size = int(self.read_until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while self.read_until(b"\r\n"):
                    pass
                return b"".join(parts)
            parts.append(self.read_exactly(size))
            self.read_until(b"\r\n")

    def receive(self, count):
        data = self.socket.recv(count)
        if not data:
            # The gateway is done with this process.
            raise SystemExit(0)
        return data


class CognitoIdentity:
    def __init__(self, value):
        self.cognito_identity_id = value.get("cognitoIdentityId")
        self.cognito_identity_pool_id = value.get("cognitoIdentityPoolId")


class Client:
    def __init__(self, value):
        self.installation_id = value.get("installation_id")
        self.app_title = value.get("app_title")
        self.app_version_name = value.get("app_version_name")
        self.app_version_code = value.get("app_version_code")
        self.app_package_name = value.get("app_package_name")


class ClientContext:
    def __init__(self, value):
        self.custom = value.get("custom")
        self.env = value.get("env")
        self.client = Client(value.get("client") or {})


class Context:
    """What handlers get beside the event."""

    def __init__(self, headers):
        self.aws_request_id = headers.get("lambda-runtime-aws-request-id")
        self.invoked_function_arn = headers.get("lambda-runtime-invoked-function-arn")
        self.tenant_id = headers.get("lambda-runtime-aws-tenant-id")
        self.function_name = os.environ.get("AWS_LAMBDA_FUNCTION_NAME")
        self.function_version = os.environ.get("AWS_LAMBDA_FUNCTION_VERSION")
        self.memory_limit_in_mb = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
        self.log_group_name = os.environ.get("AWS_LAMBDA_LOG_GROUP_NAME")
        self.log_stream_name = os.environ.get("AWS_LAMBDA_LOG_STREAM_NAME")
        identity = headers.get("lambda-runtime-cognito-identity")
        self.identity = CognitoIdentity(json.loads(identity) if identity else {})
        client = headers.get("lambda-runtime-client-context")
        self.client_context = ClientContext(json.loads(client)) if client else None
        self._deadline_ms = int(headers.get("lambda-runtime-deadline-ms", "0"))

    def get_remaining_time_in_millis(self):
        return max(0, self._deadline_ms - int(time.time() * 1000))

    def log(self, message):
        sys.stdout.write(str(message))


class InitError(Exception):
    """A handler that cannot be had, in Lambda's words."""

    def __init__(self, kind, message, trace=()):
        super().__init__(message)
        self.kind, self.trace = kind, list(trace)


def stack_of(error):
    """The stack without the frames of this file and of the import machinery."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if one.filename != OWN_FILE and "importlib" not in one.filename]
    return traceback.format_list(own)


def error_object(error, request_id=""):
    if isinstance(error, InitError):
        kind, trace = error.kind, error.trace
    else:
        kind, trace = type(error).__name__, stack_of(error)
    return {
        "errorMessage": str(error),
        "errorType": kind,
        "requestId": request_id,
        "stackTrace": trace,
    }


def send_error(call, path, error):
    text = json.dumps(error)
    lines = ["[ERROR] %s: %s" % (error["errorType"], error["errorMessage"])]
    if error["stackTrace"]:
        lines.append("Traceback (most recent call last):")
        lines.extend(frame.rstrip("\n") for frame in error["stackTrace"])
    sys.stderr.write("\n".join(lines) + "\n")
    headers = [
        ("Content-Type", "application/json"),
        ("Lambda-Runtime-Function-Error-Type", error["errorType"]),
    ]
    call("POST", path, headers, text.encode())


def load_handler(name, is_guessed):
    module_name, dot, function_name = name.rpartition(".")
    if not dot:
        message = "Bad handler '%s': not enough values to unpack (expected 2, got 1)" % name
        raise InitError("Runtime.MalformedHandlerName", message)
    module_name = module_name.replace("/", ".")
    if module_name.split(".")[0] in sys.builtin_module_names:
        message = "Cannot use built-in module %s as a handler module" % module_name
        raise InitError("Runtime.BuiltInModuleConflict", message)
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        message = "Unable to import module '%s': %s" % (module_name, error)
        raise InitError("Runtime.ImportModuleError", message, stack_of(error))
    except SyntaxError as error:
        message = "Syntax error in module '%s': %s" % (module_name, error)
        place = '  File "%s" Line %s\n    %s\n' % (error.filename, error.lineno, (error.text or "").strip())
        raise InitError("Runtime.UserCodeSyntaxError", message, [place])
    names = [function_name] + (["lambda_handler"] if is_guessed else [])
    for one in names:
        if hasattr(module, one):
            return getattr(module, one)
    message = "Handler '%s' missing on module '%s'" % (function_name, module_name)
    raise InitError("Runtime.HandlerNotFound", message)


def plain(value):
    """Values that JSON has no form for but AWS's runtime takes."""
    import decimal

    if isinstance(value, decimal.Decimal):
        number = float(value)
        return str(value) if number != value and len(value.as_tuple().digits) > 15 else number
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def render(result):
    try:
        return json.dumps(result, ensure_ascii=False, default=plain).encode("utf-8")
    except (TypeError, ValueError) as error:
        message = "Unable to marshal response: %s" % error
        raise InitError("Runtime.MarshalError", message)


def answer(connection, handler, headers, event):
    request_id = headers.get("lambda-runtime-aws-request-id", "")
    trace_id = headers.get("lambda-runtime-trace-id")
    if trace_id:
        os.environ["_X_AMZN_TRACE_ID"] = trace_id
    else:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    path = "invocation/%s/" % request_id
    try:
        try:
            event = json.loads(event)
        except ValueError as error:
            raise InitError("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)
        body = render(handler(event, Context(headers)))
    except Exception as error:
        send_error(connection.call_and_ask, path + "error", error_object(error, request_id))
        return
    finally:
        sys.stdout.flush()
    headers = [("Content-Type", "application/json")]
    status, _, said = connection.call_and_ask("POST", path + "response", headers, body)
    if status != 202:
        # The call has failed by that, as the gateway told its caller.
        sys.stderr.write("[ERROR] the answer was refused: %s\n" % said.decode("utf-8", "replace").strip())


def main():
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)
    connection = Connection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    # What is compiled is told from what was by the second and the size: too coarse for code that changes.
    sys.dont_write_bytecode = True
    sys.path[0:0] = [ROOT]
    if "" in sys.path:
        sys.path.remove("")
    is_guessed = sys.argv[1:] == ["guessed"]
    sys.argv[:] = [""]
    try:
        handler = load_handler(os.environ["_HANDLER"], is_guessed)
    except Exception as error:
        send_error(connection.call, "init/error", error_object(error))
        sys.exit(1)
    connection.socket.sendall(connection.request("GET", NEXT))
    while True:
        status, headers, event = connection.read_answer()
        if status != 200:
            sys.stderr.write("the Runtime API answered %d\n" % status)
            sys.exit(1)
        answer(connection, handler, headers, event)


main()
