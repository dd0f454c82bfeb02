//! The keys of functions.

use crate::settings::functions::{EndpointUrl, FunctionArn, RemoteName};
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
    }
}
