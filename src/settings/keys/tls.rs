//! The keys of TLS: domains, what listeners and target groups make of it, session tickets.

use crate::settings::domains::{DomainName, PolicyName, Protocol};
use crate::settings::fields::HeaderName;
use crate::settings::names::FilePath;
use crate::settings::reading::Field;
use crate::settings::table::table;
use crate::settings::tls::{RootsName, ServerNameText, UnknownName};
use crate::settings::values::{OneOrMore, choice};
use crate::tls::OnInvalid;

table! {
    /// What holds for TLS in the whole process.
    struct RawTls as "[tls]" {
        /// A file with the keys of session tickets, for several machines behind one address: lines
        /// of 64 hexadecimal digits (`openssl rand -hex 32`). The first makes tickets, all open
        /// them. Without it the keys are made in memory.
        ticket_key_file: FilePath [optional] eg "/etc/shardgate/ticket.keys";
        /// How long clients are told to keep tickets; and how often keys in memory are made anew.
        ticket_rotation_ms: u64 [43_200_000] in 60_000..=604_800_000;
        /// How many days before a certificate expires the log begins to warn of it, at each start
        /// and reload and once a day.
        expiry_warning_days: u32 [14] in 0..=365;
    }
}

table! {
    /// A domain is names, the certificates for them, and what clients of them must be able to.
    /// Every listener with `tls` answers for every domain.
    struct RawDomain as "[[domain]]" {
        /// The names that clients ask for: host names, or `*.` and a name for every name with one
        /// label more.
        names: OneOrMore<DomainName> [required] eg ["api.example.com", "*.shop.example.com"];
        /// Its certificates; of one for ECDSA and one for RSA each client is shown what it can
        /// verify.
        certificates: OneOrMore<RawCertificate> [optional];
        /// A folder of them: `NAME.pem` with `NAME.key` (and `NAME.ocsp`), or `fullchain.pem` with
        /// `privkey.pem`. Those are used that have one of the names.
        certificate_folder: FilePath [optional] eg "/etc/shardgate/certificates";
        /// `true`: they are ordered by ACME, as [acme] says, and renewed in time.
        acme: bool [optional] eg true;
        /// What a handshake may negotiate, by AWS's names; docs/tls.md has them all.
        security_policy: PolicyName ["TLS_1_2"];
        /// The protocols that clients are offered (ALPN), most wanted first.
        protocols: OneOrMore<Protocol> [["h2", "http/1.1"]];
        /// Clients must show a certificate; without this table none is asked for.
        mutual_tls: RawMutualTls [optional];
    }
    at most one of certificates certificate_folder acme;
}

table! {
    /// A certificate.
    struct RawCertificate as "[[domain.certificates]]" {
        /// PEM: the certificate first, then its issuers.
        certificate_file: FilePath [required] eg "/etc/shardgate/api.pem";
        /// PEM: PKCS#8, PKCS#1 or SEC1. May be the same file.
        key_file: FilePath [required] eg "/etc/shardgate/api.key";
        /// DER: an OCSP response for it, which is stapled.
        ocsp_file: FilePath [optional] eg "/etc/shardgate/api.ocsp";
    }
}

table! {
    /// Which clients are believed.
    struct RawMutualTls as "[domain.mutual_tls]" {
        /// PEM: authorities from the issuer of clients up to the root, or certificates of clients
        /// that issued themselves.
        trust_store_file: FilePath [required] eg "/etc/shardgate/clients.pem";
        /// Revocation lists, PEM or DER. With any, every certificate below a root needs one.
        crl_files: Vec<Field<FilePath>> [[]] eg ["/etc/shardgate/clients.crl"];
        /// What a client gets whose certificate is missing or not believed: the handshake fails,
        /// or every request is answered 403.
        on_invalid: OnInvalid ["refuse"];
        /// A header in which targets get the client's certificate, as PEM with percent-encoding.
        certificate_header: HeaderName [optional] eg "x-client-certificate";
        /// A header in which targets get the subject of the client's certificate.
        subject_header: HeaderName [optional] eg "x-client-subject";
    }
}

choice!(OnInvalid { "refuse" => OnInvalid::Refuse, "403" => OnInvalid::Forbid });

table! {
    /// The listener serves TLS and nothing else. `tls = true` is all defaults.
    struct RawListenerTls as "[listener.tls]" {
        /// What a client gets that asks for no name or for one of no domain: "default" is the
        /// default domain, "refuse" an alert.
        unknown_name: UnknownName ["default"];
        /// The default domain, by one of its names. Without it, it is the first in the file.
        default_domain: DomainName [optional] eg "api.example.com";
        /// How long a handshake may take; over it the connection is closed.
        handshake_timeout_ms: u64 [10_000] in 1..=3_600_000;
    }
}

table! {
    /// Targets are reached over TLS. `tls = true` is all defaults.
    struct RawUpstreamTls as "[upstream.tls]" {
        /// PEM: the authorities that are believed, and no others.
        ca_file: FilePath [optional] eg "/etc/shardgate/backend-ca.pem";
        /// Which authorities are believed: "system" is those of this machine, "mozilla" those of
        /// Mozilla when the gateway was built.
        roots: RootsName ["system"];
        /// The name that is asked for (SNI) and verified, in place of the target's host.
        server_name: ServerNameText [optional] eg "backend.internal";
        /// Believe whoever issued a target's certificate. Its dates and its name are verified all
        /// the same. Whoever stands between can then read and change everything.
        insecure_skip_verification: bool [false];
        /// What may be negotiated, by AWS's names for policies.
        security_policy: PolicyName ["SecurityPolicy_TLS12_PFS_2025_EDGE"];
        /// What targets are shown that ask for a certificate.
        client_certificate: RawClientCertificate [optional];
    }
    at most one of ca_file roots;
}

table! {
    /// The gateway's own certificate.
    struct RawClientCertificate as "client_certificate" {
        /// PEM: the certificate first, then its issuers.
        certificate_file: FilePath [required] eg "/etc/shardgate/client.pem";
        /// PEM: PKCS#8, PKCS#1 or SEC1. May be the same file.
        key_file: FilePath [required] eg "/etc/shardgate/client.key";
    }
}
