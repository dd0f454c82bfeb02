import json
import platform


def handler(event, context):
    message = f"hello from the function {context.function_name}, in Python {platform.python_version()}"
    answer = {"message": message, "path": event["rawPath"], "requestId": context.aws_request_id}
    return {
        "statusCode": 200,
        "headers": {"content-type": "application/json"},
        "body": json.dumps(answer),
    }
