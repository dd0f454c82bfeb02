//! The keys of functions.

use crate::function::HandlerRuntime;
use crate::settings::function_signing::SourceArnPattern;
use crate::settings::functions::{
    EndpointUrl, Environment, FunctionArn, FunctionUserName, HandlerName, RemoteName, Word,
};
use crate::settings::management::{AccessKeyId, Region, Secret};
use crate::settings::names::{FilePath, Name};
use crate::settings::reading::Field;
use crate::settings::table::table;
use crate::settings::values::{OneOrMore, choice};

table! {
    /// What holds over all functions of this machine together.
    struct RawFunctions as "[functions]" {
        /// How many of their processes may be there at once; more calls wait for one to be free. Each
        /// process works on one call at a time.
        concurrency: u32 [100] in 1..=100_000;
    }
}

table! {
    /// Where calls of a Lambda function go: integrations of deployed APIs name it by its ARN. With
    /// `command` or `code` it runs on this machine.
    struct RawFunction as "[[function]]" {
        /// The function: its name, or its ARN where regions or accounts differ. With a version or an
        /// alias behind it (`orders:live`) it is that one alone; the closest of several counts.
        name: FunctionArn [required] eg "orders";
        /// A server of Lambda's Invoke API: AWS itself, the runtime interface emulator, or another.
        endpoint: EndpointUrl [optional] eg "http://127.0.0.1:9001";
        /// What the endpoint calls it, if not by its own name: the emulator says `function`.
        remote_name: RemoteName [optional] eg "function";
        /// Calls of the endpoint are signed (Signature Version 4), as AWS asks for. An empty table
        /// signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
        sign: RawFunctionSign [optional];
        /// Which methods and routes may call it, by the ARNs that `aws lambda add-permission` takes
        /// as `--source-arn`; without this key all may, and with an empty list none.
        permissions: Vec<Field<SourceArnPattern>> [optional]
            eg ["arn:aws:execute-api:us-east-1:111111111111:a1b2c3/*/GET/orders"];
        /// A program of this machine that speaks Lambda's Runtime API, and its arguments.
        command: OneOrMore<Word> [optional] eg ["python3", "-m", "awslambdaric", "app.handler"];
        /// A folder with a handler for the Node or the Python of this machine. It is watched: processes
        /// of changed code are replaced.
        code: FilePath [optional] eg "/srv/functions/orders";
        /// What of the code is called. Without it: `index.handler`, `app.handler`, or
        /// `lambda_function.lambda_handler`, as there is a file.
        handler: HandlerName [optional] eg "index.handler";
        /// What runs the code. Without it: as the handler's file ends.
        runtime: HandlerRuntime [optional] eg "node";
        /// Variables of its processes, on top of Lambda's own.
        environment: Environment [{}] eg { TABLE = "orders" };
        /// Where its processes start: without it, in the folder of the code or where the gateway did.
        working_directory: FilePath [optional] eg "/srv/functions/orders";
        /// Who its processes run as, by name or by number: without it, as the gateway does. Needs root.
        user: FunctionUserName [optional] eg "nobody";
        /// How long one call may take.
        timeout_ms: u64 [3_000] in 1..=900_000;
        /// How long a process may take to ask for its first event.
        init_timeout_ms: u64 [10_000] in 1..=900_000;
        /// A process that has had nothing to do for this long is ended.
        idle_ms: u64 [600_000] in 100..=86_400_000;
        /// What a process, with all that it starts, may have in memory: 128 MiB, as with Lambda.
        memory_bytes_max: u64 [134_217_728] in 16_777_216..=1_099_511_627_776;
        /// How many of its processes may be there at once; taken from those of all functions. 0 keeps it
        /// from being called.
        reserved_concurrency: u32 [optional] eg 10 in 0..=100_000;
    }
    exactly one of endpoint command code;
    with endpoint: remote_name;
    with code: handler runtime;
    with command or code: environment working_directory user timeout_ms init_timeout_ms idle_ms
        memory_bytes_max reserved_concurrency;
}

table! {
    /// With whose credentials calls are signed. Files are read again at each reload, and with
    /// `watch` of [process] when they change.
    struct RawFunctionSign as "[function.sign]" {
        /// The region of the signature. By itself that of an endpoint of AWS, else that of the
        /// function's ARN, else that of the API.
        region: Region [optional] eg "us-east-1";
        /// The access key.
        access_key_id: AccessKeyId [optional] eg "AKIAIOSFODNN7EXAMPLE";
        /// A file with its secret and nothing else.
        secret_access_key_file: FilePath [optional] eg "/etc/shardgate/lambda.secret";
        /// Its secret.
        secret_access_key: Secret [optional] eg "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        /// A file with the token of temporary credentials and nothing else.
        session_token_file: FilePath [optional] eg "/run/shardgate/lambda.token";
        /// A file as AWS's tools have it (`~/.aws/credentials`), in place of the keys above.
        credentials_file: FilePath [optional] eg "/etc/shardgate/aws-credentials";
        /// The section of that file.
        profile: Name ["default"];
    }
    at most one of secret_access_key_file secret_access_key credentials_file;
}
choice!(HandlerRuntime { "node" => HandlerRuntime::Node, "python" => HandlerRuntime::Python });
