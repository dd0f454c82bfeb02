//! VPC links, and what they lead to.

use serde_json::json;

use super::{Managed, Upstream};

/// Tables of a boot file: the upstream `name` with these targets stands for `arn`.
pub fn vpc_link_to(arn: &str, name: &str, targets: &[&Upstream]) -> String {
    let targets: Vec<_> = targets.iter().map(|one| one.address().to_string()).collect();
    format!(
        "[[management.vpc_link]]\narn = \"{arn}\"\nupstream = \"{name}\"\n\n\
         [[upstream]]\nname = \"{name}\"\ntargets = {targets:?}\n\n"
    )
}

impl Managed {
    /// CreateVpcLink of the first generation; returns its id.
    #[track_caller]
    pub fn create_vpc_link(&self, target_arn: &str) -> String {
        let body = json!({ "name": "link", "targetArns": [target_arn] });
        let made = self.management().post("/vpclinks", &body);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// CreateVpcLink of the second generation; returns its id.
    #[track_caller]
    pub fn create_http_vpc_link(&self) -> String {
        let body = json!({ "name": "link", "subnetIds": ["subnet-1", "subnet-2"] });
        let made = self.management().post("/v2/vpclinks", &body);
        made["vpcLinkId"].as_str().expect("an id").to_owned()
    }
}
