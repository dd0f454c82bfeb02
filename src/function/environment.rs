//! The environment of a function's processes (AWS Lambda Developer Guide, "Working with Lambda
//! environment variables"). Nothing of the gateway's own is in it but where programs are.

use std::collections::BTreeMap;
use std::env;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use super::definition::FunctionDefinition;
use crate::base::civil_date;

/// What the variables of one process are made from.
pub(super) struct Surroundings<'s> {
    /// Where its runtime asks for events: address and port.
    pub(super) runtime_api: &'s str,
    /// The region of functions that name none.
    pub(super) region: &'s str,
    /// The home of its user, if it runs as another one.
    pub(super) home: Option<&'s str>,
    /// Where its code is.
    pub(super) task_root: &'s str,
    /// What `_HANDLER` says.
    pub(super) handler: &'s str,
    /// What `AWS_EXECUTION_ENV` says; Lambda has none for programs that are runtimes themselves.
    pub(super) execution: Option<&'s str>,
}

impl Surroundings<'_> {
    /// All variables. What the settings say counts before what every function gets, but for where the
    /// Runtime API is.
    pub(super) fn variables(&self, definition: &FunctionDefinition) -> BTreeMap<String, String> {
        let name = &definition.name;
        let region = name.place.as_ref().map_or(self.region, |place| &place.region);
        let qualifier = name.qualifier.as_deref().unwrap_or(LATEST);
        let is_version = qualifier.bytes().all(|byte| byte.is_ascii_digit());
        let version = if is_version { qualifier } else { LATEST };
        let own_home = env::var("HOME").ok();
        let mut variables = BTreeMap::new();
        let mut set = |name: &str, value: &str| variables.insert(name.to_owned(), value.to_owned());
        set("PATH", &search_path());
        set("HOME", self.home.or(own_home.as_deref()).unwrap_or("/"));
        set("LANG", "C.UTF-8");
        set("TZ", ":UTC");
        set("AWS_LAMBDA_FUNCTION_NAME", &name.name);
        set("AWS_LAMBDA_FUNCTION_VERSION", version);
        let mib = definition.memory_bytes_max / MIB;
        set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", &mib.to_string());
        set("AWS_LAMBDA_LOG_GROUP_NAME", &format!("/aws/lambda/{}", name.name));
        set("AWS_LAMBDA_LOG_STREAM_NAME", &log_stream(version));
        set("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand");
        set("AWS_REGION", region);
        set("AWS_DEFAULT_REGION", region);
        set("LAMBDA_TASK_ROOT", self.task_root);
        set("LAMBDA_RUNTIME_DIR", "/var/runtime");
        set("_HANDLER", self.handler);
        if let Some(execution) = self.execution {
            set("AWS_EXECUTION_ENV", execution);
        }
        variables.extend(definition.environment.clone());
        variables.insert("AWS_LAMBDA_RUNTIME_API".to_owned(), self.runtime_api.to_owned());
        variables
    }
}

/// Where programs are looked for: as the gateway does.
pub(super) fn search_path() -> String {
    env::var("PATH").ok().filter(|path| !path.is_empty()).unwrap_or_else(|| USUAL_PATH.to_owned())
}

/// `2026/11/26/[$LATEST]` and 32 digits.
fn log_stream(version: &str) -> String {
    let random = || RandomState::new().hash_one(0_u8);
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (year, month, day) = civil_date(since_1970.as_secs() / SECONDS_OF_A_DAY);
    format!("{year}/{month:02}/{day:02}/[{version}]{:016x}{:016x}", random(), random())
}

const LATEST: &str = "$LATEST";
const SECONDS_OF_A_DAY: u64 = 86_400;
const MIB: u64 = 1_024 * 1_024;
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::function::FunctionProgram;
    use crate::model::FunctionName;

    fn variables(name: &str, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let name = FunctionName::parse(name).expect("a name");
        let program = FunctionProgram::Command(vec!["/bin/true".to_owned()]);
        let mut definition = FunctionDefinition::new(name, program);
        let more = more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        definition.environment = more.collect();
        let surroundings = Surroundings {
            runtime_api: "127.0.0.1:9001",
            region: "us-east-1",
            home: None,
            task_root: "/code",
            handler: "index.handler",
            execution: None,
        };
        surroundings.variables(&definition)
    }

    #[test]
    fn functions_get_lambdas_variables_and_none_of_the_gateway() {
        let variables = variables("orders:7", &[]);
        assert_eq!(variables["AWS_LAMBDA_RUNTIME_API"], "127.0.0.1:9001");
        assert_eq!(variables["AWS_LAMBDA_FUNCTION_NAME"], "orders");
        assert_eq!(variables["AWS_LAMBDA_FUNCTION_VERSION"], "7");
        assert_eq!(variables["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"], "128");
        let stream = &variables["AWS_LAMBDA_LOG_STREAM_NAME"];
        assert_eq!((&stream[10..14], stream.len()), ("/[7]", 14 + 32), "{stream}");
        assert!(!variables.contains_key("AWS_EXECUTION_ENV"));
        assert!(!variables.contains_key("CARGO_MANIFEST_DIR"));
    }

    #[test]
    fn the_settings_count_more_but_not_for_the_runtime_api() {
        let more = [("TZ", "Europe/Berlin"), ("AWS_LAMBDA_RUNTIME_API", "elsewhere")];
        let variables =
            variables("arn:aws:lambda:eu-west-1:111111111111:function:orders:live", &more);
        assert_eq!(variables["TZ"], "Europe/Berlin");
        assert_eq!(variables["AWS_LAMBDA_RUNTIME_API"], "127.0.0.1:9001");
        assert_eq!(variables["AWS_REGION"], "eu-west-1");
        assert_eq!(variables["AWS_LAMBDA_FUNCTION_VERSION"], "$LATEST");
    }
}
