//! A custom domain name as a test makes it, and APIs to map to it.

use serde_json::{Value as Json, json};

use crate::harness::{Answer, Managed, Request, RestApi};

/// A regional domain name of the second generation.
#[derive(Debug)]
pub(crate) struct Domain<'g> {
    site: &'g Managed,
    name: String,
}

impl<'g> Domain<'g> {
    /// CreateDomainName; `mode` is a routing mode or "" for AWS's default.
    #[track_caller]
    pub(crate) fn create(site: &'g Managed, name: &str, mode: &str) -> Self {
        let mut body = json!({
            "domainName": name,
            "domainNameConfigurations": [{
                "certificateArn": "arn:aws:acm:us-east-1:111111111111:certificate/x",
                "endpointType": "REGIONAL", "securityPolicy": "TLS_1_2",
            }],
        });
        if !mode.is_empty() {
            body["routingMode"] = json!(mode);
        }
        site.management().post("/v2/domainnames", &body);
        Self { site, name: name.to_owned() }
    }

    /// `tail` behind the path of the domain name.
    pub(crate) fn path(&self, tail: &str) -> String {
        format!("/v2/domainnames/{}{tail}", self.name)
    }

    /// CreateApiMapping ("" is the empty path); returns its id.
    #[track_caller]
    pub(crate) fn map(&self, key: &str, api: &str, stage: &str) -> String {
        let mut body = json!({ "apiId": api, "stage": stage });
        if !key.is_empty() {
            body["apiMappingKey"] = json!(key);
        }
        let made = self.site.management().post(&self.path("/apimappings"), &body);
        made["apiMappingId"].as_str().expect("an id").to_owned()
    }

    /// CreateRoutingRule; returns its id.
    #[track_caller]
    pub(crate) fn create_rule(&self, rule: &Json) -> String {
        let made = self.site.management().post(&self.path("/routingrules"), rule);
        made["routingRuleId"].as_str().expect("an id").to_owned()
    }

    pub(crate) fn ask(&self, request: &Request) -> Answer {
        self.site.ask(&request.clone().for_host(&self.name))
    }

    /// Asks until the body of the answer is this.
    #[track_caller]
    pub(crate) fn ask_for_body(&self, body: &str, request: &Request) -> Answer {
        let request = request.clone().for_host(&self.name);
        self.site.ask_until(&request, |answer| answer.status == 200 && answer.text() == body)
    }

    /// Asks until nothing is there that could answer.
    #[track_caller]
    pub(crate) fn ask_for_nothing(&self, request: &Request) {
        self.site.ask_until(&request.clone().for_host(&self.name), Answer::is_of_no_api);
    }
}

/// A REST API whose stage `prod` answers every path with `body`.
#[track_caller]
pub(crate) fn api_that_says<'g>(site: &'g Managed, body: &str) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.mock("/", "ANY", body);
    api.mock("/{proxy+}", "ANY", body);
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    api
}
