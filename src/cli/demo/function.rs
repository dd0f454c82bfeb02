//! The function of the demo: its code, its API, and what makes another.

use std::fmt::Write as _;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value as Json, json};

use super::super::admin_call;
use crate::model::ListenerAddress;
use crate::sign::rand::{SecureRandom as _, SystemRandom};
use crate::sign::{CanonicalTarget, Signer, SigningCredentials, SigningKeys};

/// The languages of plain handlers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Language {
    Node,
    Python,
}

impl Language {
    /// The one that is installed and new enough; Node before Python.
    pub(super) fn installed() -> Option<Self> {
        [Self::Node, Self::Python].into_iter().find(|one| {
            // What is in the PATH may be a stand-in for something that is not there.
            let asked = Command::new(one.program()).arg("--version").stdin(Stdio::null()).output();
            let said = asked.ok().filter(|output| output.status.success());
            said.is_some_and(|output| one.is_enough(&String::from_utf8_lossy(&output.stdout)))
        })
    }

    fn program(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Python => "python3",
        }
    }

    /// Whether a version, as the program tells it, runs handlers.
    fn is_enough(self, version: &str) -> bool {
        let (mark, least) = match self {
            Self::Node => ("v", (18, 0)),
            Self::Python => ("Python ", (3, 8)),
        };
        let Some(rest) = version.trim().strip_prefix(mark) else { return false };
        let mut numbers = rest.split('.').map_while(|part| part.parse::<u32>().ok());
        numbers.next().is_some_and(|major| (major, numbers.next().unwrap_or(0)) >= least)
    }

    fn file(self) -> (&'static str, &'static str) {
        match self {
            Self::Node => ("index.mjs", include_str!("hello.mjs")),
            Self::Python => ("app.py", include_str!("hello.py")),
        }
    }

    /// Lambda's name for it, and the handler of the demo's file.
    fn runtime(self) -> (&'static str, &'static str) {
        match self {
            Self::Node => ("nodejs22.x", "index.handler"),
            Self::Python => ("python3.13", "app.handler"),
        }
    }

    /// Writes the function's code to `folder`.
    pub(super) fn write_code(self, folder: &Path) -> io::Result<()> {
        let (name, code) = self.file();
        std::fs::write(folder.join(name), code)
    }
}

/// Who may call the management API of the demo: nobody that has not read its output, since who may
/// make functions may run what they like.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) access_key_id: &'static str,
    pub(super) secret_access_key: String,
}

impl Key {
    pub(super) fn new() -> Self {
        let mut bytes = [0; 20];
        SystemRandom::new().fill(&mut bytes).expect("the kernel's random source does not fail");
        let mut secret = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            let _ = write!(secret, "{byte:02x}"); // a String takes all
        }
        Self { access_key_id: "DEMO", secret_access_key: secret }
    }
}

/// Makes an HTTP API in front of the function, as `aws apigatewayv2 create-api --target` does; its id.
pub(super) fn make_api(management: SocketAddr, key: &Key) -> Result<String, String> {
    let body = json!({ "name": "demo", "protocolType": "HTTP", "target": function_arn(NAME) });
    let body = body.to_string();
    let mut lines = b"content-type: application/json\r\n".to_vec();
    let signer = Signer {
        credentials: SigningCredentials {
            access_key_id: key.access_key_id.to_owned(),
            secret_access_key: key.secret_access_key.clone(),
            session_token: None,
        },
        region: REGION.to_owned(),
        service: "apigateway",
    };
    let target = CanonicalTarget::new("POST", APIS_PATH, &[]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let host = [("host", admin_call::HOST)];
    signer.sign(&SigningKeys::new(), &target, &host, body.as_bytes(), now, &mut lines);
    let lines = String::from_utf8_lossy(&lines);
    let address = ListenerAddress::Tcp(management);
    let answer = admin_call::ask_with(&address, ("POST", APIS_PATH), &lines, body.as_bytes());
    let answer = answer.map_err(|error| error.to_string())?.ok_or("nobody listens")?;
    let document: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    let id = document["apiId"].as_str().filter(|_| answer.status == 201);
    id.map(str::to_owned).ok_or_else(|| String::from_utf8_lossy(&answer.body).into_owned())
}

/// The lines that make another function and an API in front of it, and call it.
pub(super) fn another(
    language: Language,
    folder: &Path,
    (gateway, management): (&str, &str),
    key: &Key,
) -> String {
    let (runtime, handler) = language.runtime();
    let (folder, arn) = (folder.display(), function_arn("another"));
    let Key { access_key_id, secret_access_key } = key;
    format!(
        "Another function from the same code, and an API in front of it:\n\n\
         \x20 export AWS_ACCESS_KEY_ID={access_key_id} AWS_SECRET_ACCESS_KEY={secret_access_key} \
         AWS_DEFAULT_REGION={REGION} AWS_PAGER=\n\
         \x20 aws --endpoint-url http://{management} lambda create-function --function-name another \
         --runtime {runtime} --handler {handler} --role arn:aws:iam::{ACCOUNT}:role/any \
         --code S3Bucket=hot-reload,S3Key={folder}\n\
         \x20 api=$(aws --endpoint-url http://{management} apigatewayv2 create-api --name another \
         --protocol-type HTTP --target {arn} --query ApiId --output text)\n\
         \x20 curl -i http://{gateway}/_aws/execute-api/$api/hello\n\n"
    )
}

fn function_arn(name: &str) -> String {
    format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}")
}

/// What the function of the demo is called in its boot file.
pub(super) const NAME: &str = "hello";
pub(super) const REGION: &str = "us-east-1";
pub(super) const ACCOUNT: &str = "000000000000";
const APIS_PATH: &str = "/v2/apis";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_enough_or_not() {
        for (language, version, is_enough) in [
            (Language::Node, "v22.11.0\n", true),
            (Language::Node, "v18.0.0", true),
            (Language::Node, "v16.20.2", false),
            (Language::Node, "22.11.0", false),
            (Language::Python, "Python 3.8.0\n", true),
            (Language::Python, "Python 3.13.1+", true),
            (Language::Python, "Python 3.7.17", false),
            (Language::Python, "Python 2.7.18", false),
            (Language::Python, "", false),
        ] {
            assert_eq!(language.is_enough(version), is_enough, "{version}");
        }
    }

    #[test]
    fn keys_differ() {
        let [one, other] = [Key::new(), Key::new()].map(|key| key.secret_access_key);
        assert!(one.len() == 40 && one != other);
    }
}
