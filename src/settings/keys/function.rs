//! The keys of functions.

use crate::settings::function_signing::SourceArnPattern;
use crate::settings::functions::{EndpointUrl, FunctionArn, RemoteName};
use crate::settings::management::{AccessKeyId, Region, Secret};
use crate::settings::names::{FilePath, Name};
use crate::settings::reading::Field;
use crate::settings::table::table;

table! {
    /// Where calls of a Lambda function go: integrations of deployed APIs name it by its ARN.
    struct RawFunction as "[[function]]" {
        /// The function: its name, or its ARN where regions or accounts differ. With a version or an
        /// alias behind it (`orders:live`) it is that one alone; the closest of several counts.
        name: FunctionArn [required] eg "orders";
        /// A server of Lambda's Invoke API: AWS itself, the runtime interface emulator, or another.
        endpoint: EndpointUrl [required] eg "http://127.0.0.1:9001";
        /// What the endpoint calls it, if not by its own name: the emulator says `function`.
        remote_name: RemoteName [optional] eg "function";
        /// Calls of the endpoint are signed (Signature Version 4), as AWS asks for. An empty table
        /// signs with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.
        sign: RawFunctionSign [optional];
        /// Which methods and routes may call it, by the ARNs that `aws lambda add-permission` takes
        /// as `--source-arn`; without this key all may, and with an empty list none.
        permissions: Vec<Field<SourceArnPattern>> [optional]
            eg ["arn:aws:execute-api:us-east-1:111111111111:a1b2c3/*/GET/orders"];
    }
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
