//! What the boot file says of functions.

use serde_json::json;

use crate::harness::{Gateway, Managed, Request, Upstream};

#[test]
fn the_closest_name_counts_and_the_emulator_has_its_own() {
    let answering = |text: &'static str| {
        let body = json!({ "statusCode": 200, "body": text }).to_string();
        Upstream::answering_by(move |_| crate::function::ok("", &body))
    };
    let (any, live) = (answering("any"), answering("live"));
    let tables = format!(
        "[[function]]\nname = \"orders\"\nendpoint = \"http://{}\"\n\n\
         [[function]]\nname = \"orders:live\"\nendpoint = \"http://{}\"\nremote_name = \"function\"\n",
        any.address(),
        live.address()
    );
    let site = Managed::start_with(&tables);
    let api = site.create_http_api(json!({}));
    for (key, qualifier) in [("GET /any", ""), ("GET /live", ":live"), ("GET /other", ":other")] {
        let arn = format!("{}{qualifier}", crate::function::ARN);
        let integration = api.create_integration(json!({
            "integrationType": "AWS_PROXY", "integrationUri": arn, "payloadFormatVersion": "2.0",
        }));
        api.create_route(key, &integration);
    }
    api.create_default_stage();
    assert_eq!(api.ask(&Request::get("/any")).text(), "any");
    assert_eq!(api.ask(&Request::get("/other")).text(), "any");
    assert_eq!(api.ask(&Request::get("/live")).text(), "live");
    let line = "POST /2015-03-31/functions/function/invocations?Qualifier=live HTTP/1.1";
    assert_eq!(live.request().line(), line);
}

#[test]
fn a_function_is_bound_by_a_reload_of_the_boot_file() {
    let body = json!({ "statusCode": 200, "body": "bound" }).to_string();
    let server = Upstream::answering_by(move |_| crate::function::ok("", &body));
    let unbound = "[management]\naddress = \"127.0.0.1:0\"\nstore = \"{dir}/state.redb\"\n\
                   [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\n";
    let site = Managed::of(Gateway::start(unbound));
    let api = site.create_http_api(json!({}));
    let integration = api.create_integration(json!({
        "integrationType": "AWS_PROXY", "integrationUri": crate::function::ARN,
        "payloadFormatVersion": "2.0",
    }));
    api.create_route("$default", &integration);
    api.create_default_stage();
    assert_eq!(api.ask(&Request::get("/")).status, 500);
    let function =
        format!("[[function]]\nname = \"orders\"\nendpoint = \"http://{}\"\n", server.address());
    site.gateway().rewrite(&format!("{unbound}{function}"));
    site.gateway().signal("HUP");
    api.ask_for(200, &Request::get("/"));
}
