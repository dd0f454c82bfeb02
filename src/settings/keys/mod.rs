//! The keys of `gateway.toml`: the one table that parsing, the JSON Schema and the commented
//! example are read off.
//!
//! Owns names, types, defaults, bounds and docs of the keys. What keys mean together is checked
//! where the model is built.

mod acme;
mod api;
mod function;
mod management;
mod process;
mod tls;
mod traffic;
mod upstream;

pub(super) use acme::RawAcme;
pub(super) use api::{RawApi, RawMock, RawRedirect, RawRoute};
pub(super) use function::{RawFunction, RawFunctionSign, RawFunctions};
pub(super) use management::{
    RawBoundCertificate, RawBoundTrustStore, RawBoundVpcLink, RawCredential, RawManagement,
};
pub(super) use process::{RawAdmin, RawCore, RawProcess};
pub(super) use tls::{RawCertificate, RawDomain, RawListenerTls, RawMutualTls, RawTls};
pub(super) use traffic::{
    RawAccessLog, RawAccount, RawForwarding, RawHttp2, RawLimits, RawListener, RawThrottle,
    RawTimeouts,
};
pub(super) use upstream::{RawHealth, RawOutlier, RawRetry, RawTarget, RawUpstream};

use super::reading::Field;
use super::table::table;
use super::values::OneOrMore;

table! {
    /// The boot file of shardgate.
    ///
    /// Sizes are in bytes, times in milliseconds: the name of a key ends with its unit, or with
    /// `max` or `min` after the unit.
    struct RawFile as "the file" {
        /// How the process runs.
        process: RawProcess [{}];
        /// The admin listener: metrics, health, configuration, drain.
        admin: RawAdmin [optional];
        /// The management API, which the AWS CLI and SDKs drive.
        management: RawManagement [optional];
        /// Where clients connect: at least one listener.
        listener: OneOrMore<RawListener> [required];
        /// What holds for TLS in the whole process.
        tls: RawTls [{}];
        /// Certificates that the gateway orders itself.
        acme: RawAcme [optional];
        /// What listeners with `tls` answer for.
        domain: OneOrMore<RawDomain> [optional];
        /// What a client may send at most.
        limits: RawLimits [{}];
        /// What a client may do on one HTTP/2 connection.
        http2: RawHttp2 [{}];
        /// How long a client may take.
        timeouts: RawTimeouts [{}];
        /// What targets are told about the client.
        forwarding: RawForwarding [{}];
        /// What holds over all APIs together.
        account: RawAccount [{}];
        /// What holds over all functions of this machine together.
        functions: RawFunctions [{}];
        /// Functions, which deployed APIs call.
        function: Vec<Field<RawFunction>> [optional];
        /// Target groups, which routes forward to.
        upstream: Vec<Field<RawUpstream>> [[]];
        /// What answers: at least one API, unless APIs are made by the management API.
        api: Vec<Field<RawApi>> [[]];
        /// The access log: one line for each request.
        access_log: RawAccessLog [optional];
    }
}
