//! The audit log: each call of the management API as one line of JSON in the shape of CloudTrail's
//! events ("CloudTrail record contents for management events").
//!
//! A call is answered after its line was written. Values that are secret are hidden.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value, json};

use super::call::Call;
use super::error::ApiError;
use super::identity::Caller;
use super::ids;
use super::service::Operation;
use crate::base::iso8601;
use crate::store::Document;

/// The log, or nothing where none is kept.
#[derive(Debug)]
pub(super) struct Audit(Option<Mutex<File>>);

/// What is recorded of one call.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) request_id: &'a str,
    pub(super) now_seconds: u64,
    pub(super) caller: Option<&'a Caller>,
    pub(super) region: &'a str,
    pub(super) account_id: &'a str,
    pub(super) source_ip: &'a str,
    pub(super) user_agent: &'a str,
    pub(super) operation: &'static Operation,
    /// `None` where the request could not be read.
    pub(super) call: Option<&'a Call>,
    pub(super) result: Result<Option<&'a Document>, &'a ApiError>,
}

impl Audit {
    pub(super) fn open(path: Option<&Path>) -> io::Result<Self> {
        let open = |path: &Path| OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(path.map(open).transpose()?.map(Mutex::new)))
    }

    /// Writes the line of a call.
    pub(super) fn record(&self, record: &Record<'_>) {
        let Some(file) = &self.0 else { return };
        let line = format!("{}\n", record.event());
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = file.write_all(line.as_bytes()) {
            tracing::error!(%error, "a line of the audit log is lost");
        }
    }
}

impl Record<'_> {
    fn event(&self) -> Value {
        let error = self.result.err();
        let answered = self.result.ok().flatten().filter(|_| !self.operation.is_read_only());
        let mut event = json!({
            "eventVersion": "1.09",
            "userIdentity": self.user(),
            "eventTime": iso8601(self.now_seconds),
            "eventSource": self.operation.service.event_source(),
            "eventName": self.operation.name,
            "awsRegion": self.region,
            "sourceIPAddress": self.source_ip,
            "userAgent": self.user_agent,
            "errorCode": error.map(|error| error.code.name()),
            "errorMessage": error.map(|error| &error.message),
            "requestParameters": self.call.map(parameters),
            "responseElements": answered.map(|answered| hide(self.operation, answered)),
            "requestID": self.request_id,
            "eventID": ids::uuid(),
            "readOnly": self.operation.is_read_only(),
            "eventType": "AwsApiCall",
            "managementEvent": true,
            "recipientAccountId": self.account_id,
            "eventCategory": "Management",
        });
        if error.is_none()
            && let Value::Object(event) = &mut event
        {
            event.shift_remove("errorCode");
            event.shift_remove("errorMessage");
        }
        event
    }

    fn user(&self) -> Value {
        let name = self.caller.and_then(|caller| caller.name.as_deref());
        let key = self.caller.and_then(|caller| caller.access_key_id.as_deref());
        match name {
            Some(name) => json!({
                "type": "IAMUser",
                "principalId": key,
                "arn": format!("arn:aws:iam::{}:user/{name}", self.account_id),
                "accountId": self.account_id,
                "accessKeyId": key,
                "userName": name,
            }),
            None => json!({ "type": "Unknown", "accountId": self.account_id, "accessKeyId": key }),
        }
    }
}

fn parameters(call: &Call) -> Value {
    let mut parameters = Map::new();
    for member in call.operation.input_members() {
        let of_path = call.values.iter().find(|(name, _)| *name == member.wire);
        let value = of_path.map(|(_, value)| Value::from(value.as_str()));
        let value = value.or_else(|| call.query(member.wire).map(Value::from));
        if let Some(value) = value.or_else(|| call.body.get(member.wire).cloned()) {
            parameters.insert(member.name.to_owned(), value);
        }
    }
    hide(call.operation, &parameters)
}

/// The document with its secrets hidden.
fn hide(operation: &Operation, document: &Document) -> Value {
    let is_key = operation.name.ends_with("ApiKey") || operation.name.ends_with("UsagePlanKey");
    let hidden = document.iter().map(|(name, value)| {
        let is_secret = SECRETS.contains(&name.as_str()) || (is_key && name == "value");
        (name.clone(), if is_secret { HIDDEN.into() } else { value.clone() })
    });
    Value::Object(hidden.collect())
}

const SECRETS: [&str; 3] = ["certificatePrivateKey", "body", "Environment"];
const HIDDEN: &str = "HIDDEN_DUE_TO_SECURITY_REASONS";

#[cfg(test)]
mod tests {
    use super::super::service::{Service, operations};
    use super::*;

    #[test]
    fn an_event_says_who_did_what_and_hides_secrets() {
        let operation = operations()
            .find(|one| one.service == Service::Rest && one.name == "CreateApiKey")
            .expect("an operation");
        let caller = Caller {
            access_key_id: Some("AKID".into()),
            name: Some("deployer".into()),
            region: Some("eu-west-1".into()),
        };
        let answered = json!({"id": "a", "value": "s3cr3t", "stageKeys": []});
        let record = Record {
            request_id: "r",
            now_seconds: 0,
            caller: Some(&caller),
            region: "eu-west-1",
            account_id: "111111111111",
            source_ip: "127.0.0.1",
            user_agent: "tests",
            operation,
            call: None,
            result: Ok(answered.as_object()),
        };
        let event = record.event();
        assert_eq!(event["userIdentity"]["arn"], "arn:aws:iam::111111111111:user/deployer");
        assert_eq!(event["eventSource"], "apigateway.amazonaws.com");
        assert_eq!(event["responseElements"]["value"], HIDDEN);
        assert_eq!((&event["readOnly"], event.get("errorCode")), (&json!(false), None));

        let error = ApiError::not_found("nothing");
        let event = Record { result: Err(&error), ..record }.event();
        assert_eq!(event["errorCode"], "NotFoundException");
    }
}
