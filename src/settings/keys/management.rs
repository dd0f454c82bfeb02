//! The keys of the management API.

use crate::model::ListenerAddress;
use crate::settings::management::{
    AccessKeyId, AccountId, CanarySplitBy, CertificateArn, FunctionPermissions, LinkName, Region,
    Secret, TrustStoreUri,
};
use crate::settings::names::{FilePath, Name};
use crate::settings::reading::Field;
use crate::settings::table::table;
use crate::settings::values::choice;

table! {
    /// Without this table it is not served, and nothing is stored.
    struct RawManagement as "[management]" {
        /// Where it listens. An address that other machines reach needs credentials.
        address: ListenerAddress ["127.0.0.1:8081"];
        /// The file that holds APIs, stages, deployments, keys and all else that is made through it.
        store: FilePath [required] eg "/var/lib/shardgate/state.redb";
        /// A file to which each call is appended, in the shape of CloudTrail's events.
        audit_log: FilePath [optional] eg "/var/log/shardgate/audit.jsonl";
        /// The region of requests that are not signed for one.
        region: Region ["us-east-1"];
        /// The account that everything belongs to: in ARNs, messages and events.
        account_id: AccountId ["000000000000"];
        /// Who may call. Without any, anyone on this machine may, whatever they sign with.
        credential: Vec<Field<RawCredential>> [[]];
        /// What ARNs of certificates stand for, which custom domain names are given.
        certificate: Vec<Field<RawBoundCertificate>> [[]];
        /// What trust stores in S3 stand for, which custom domain names are given.
        truststore: Vec<Field<RawBoundTrustStore>> [[]];
        /// Where VPC links lead: private integrations have a target group for them.
        vpc_link: Vec<Field<RawBoundVpcLink>> [[]];
        /// Let the code of a function be a folder of this machine: `create-function` with
        /// `--code S3Bucket=hot-reload,S3Key=/absolute/path`. Who may call may then run what is there.
        function_folders: bool [false];
        /// Whether API Gateway needs a permission to call a function that was made by
        /// `create-function`: "open" for none, "required" for one made by `add-permission`, as on AWS.
        function_permissions: FunctionPermissions ["open"];
        /// How a stage with a canary splits its requests: "random" by chance, "source_ip" so that all
        /// requests of one address go the same way.
        canary_split: CanarySplitBy ["random"];
        /// Answer `POST /_shardgate/reset`, which removes everything.
        test_mode: bool [false];
        /// How much of each resource there may be.
        quotas: RawQuotas [{}];
    }
}

table! {
    /// A key that signs requests (Signature Version 4).
    struct RawCredential as "[[management.credential]]" {
        /// What requests name it by.
        access_key_id: AccessKeyId [required] eg "AKIAIOSFODNN7EXAMPLE";
        /// What they are signed with.
        secret_access_key: Secret [required] eg "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        /// Who holds it, for the audit log.
        name: Name [required] eg "deployer";
    }
}

table! {
    /// The certificate of an ARN: files, or what ACME issues for each domain that has the ARN.
    struct RawBoundCertificate as "[[management.certificate]]" {
        /// What domain names are given as `certificateArn` or `regionalCertificateArn`.
        arn: CertificateArn [required] eg "arn:aws:acm:us-east-1:000000000000:certificate/a1b2";
        /// PEM: the certificate first, then its issuers.
        certificate_file: FilePath [optional] eg "/etc/shardgate/api.pem";
        /// PEM: PKCS#8, PKCS#1 or SEC1. Without it, the key is in the file of the certificate.
        key_file: FilePath [optional] eg "/etc/shardgate/api.key";
        /// DER: an OCSP response for it, which is stapled.
        ocsp_file: FilePath [optional] eg "/etc/shardgate/api.ocsp";
        /// `true`: it is ordered by ACME, as [acme] says, and renewed in time.
        acme: bool [optional] eg true;
    }
    at most one of certificate_file acme;
}

table! {
    /// The trust store of a URI.
    struct RawBoundTrustStore as "[[management.truststore]]" {
        /// What domain names are given as `truststoreUri`.
        uri: TrustStoreUri [required] eg "s3://bucket/truststore.pem";
        /// PEM: authorities from the issuer of clients up to the root, or certificates of clients
        /// that issued themselves.
        file: FilePath [required] eg "/etc/shardgate/clients.pem";
    }
}

choice!(FunctionPermissions {
    "open" => FunctionPermissions::Open,
    "required" => FunctionPermissions::Required
});
choice!(CanarySplitBy { "random" => CanarySplitBy::Random, "source_ip" => CanarySplitBy::SourceIp });

table! {
    /// Where a VPC link leads.
    struct RawBoundVpcLink as "[[management.vpc_link]]" {
        /// The id or the ARN of the link, the ARN of a target of it, or the ARN of the listener or
        /// service that an integration names.
        arn: LinkName [required] eg "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/net/a/b";
        /// The name of an upstream.
        upstream: Name [required] eg "backend";
    }
}

table! {
    /// AWS's quotas, unless they are set.
    struct RawQuotas as "[management.quotas]" {
        /// REST APIs, and as many HTTP APIs, of a region.
        apis_count_max: u64 [600] in 1..=1_000_000;
        /// Resources of a REST API.
        resources_count_max: u64 [300] in 1..=1_000_000;
        /// Routes of an HTTP or WebSocket API.
        routes_count_max: u64 [300] in 1..=1_000_000;
        /// Integrations of an HTTP or WebSocket API.
        integrations_count_max: u64 [300] in 1..=1_000_000;
        /// Stages of an API.
        stages_count_max: u64 [10] in 1..=1_000_000;
        /// Authorizers of an API.
        authorizers_count_max: u64 [10] in 1..=1_000_000;
        /// API keys of a region.
        api_keys_count_max: u64 [10_000] in 1..=10_000_000;
        /// Usage plans of a region.
        usage_plans_count_max: u64 [300] in 1..=1_000_000;
        /// Client certificates of a region.
        client_certificates_count_max: u64 [60] in 1..=1_000_000;
        /// VPC links of a region.
        vpc_links_count_max: u64 [20] in 1..=1_000_000;
        /// Documentation parts of an API.
        documentation_parts_count_max: u64 [2_000] in 1..=1_000_000;
        /// Custom domain names of a region.
        domain_names_count_max: u64 [120] in 1..=1_000_000;
        /// Routing rules of a custom domain name.
        routing_rules_count_max: u64 [50] in 1..=1_000_000;
        /// Longest time-out of a REST API's integration, in milliseconds.
        rest_timeout_ms_max: u64 [29_000] in 50..=3_600_000;
        /// Longest time-out of an HTTP or WebSocket API's integration, in milliseconds.
        http_timeout_ms_max: u64 [30_000] in 50..=3_600_000;
    }
}
