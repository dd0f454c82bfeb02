//! The keys of certificates that the gateway orders itself.

use crate::settings::acme::{ChallengeName, Contact, DirectoryUrl, HookWord};
use crate::settings::names::FilePath;
use crate::settings::reading::Field;
use crate::settings::table::table;
use crate::settings::values::OneOrMore;

table! {
    /// Where domains with `acme = true` have their certificates from, by ACME (RFC 8555).
    struct RawAcme as "[acme]" {
        /// The authority's directory. Let's Encrypt has one to try things with, too:
        /// `https://acme-staging-v02.api.letsencrypt.org/directory`.
        directory_url: DirectoryUrl ["https://acme-v02.api.letsencrypt.org/directory"];
        /// You have read the authority's terms of service and agree: `true`, or nothing is ordered.
        terms_agreed: bool [required] eg true;
        /// Where the authority reaches you: mail addresses.
        contacts: Vec<Field<Contact>> [[]] eg ["ops@example.com"];
        /// Certificates and their keys are kept there, in a folder for each directory.
        storage_folder: FilePath [required] eg "/var/lib/shardgate/acme";
        /// The account and its key. Without it, `account.json` beside the certificates. It is made
        /// if it is not there.
        account_key_file: FilePath [optional] eg "/etc/shardgate/acme-account.json";
        /// PEM: the authorities that are believed of the directory itself, in place of those of
        /// this machine.
        ca_file: FilePath [optional] eg "/etc/shardgate/acme-ca.pem";
        /// How to prove that a name is yours: "http-01" by the name's port 80, "tls-alpn-01" by
        /// its port 443, "dns-01" by a record that `dns_hook` makes; for `*.` names, "dns-01".
        challenge: ChallengeName ["http-01"];
        /// A program with arguments, run for "dns-01" with three more: `add` or `remove`, the name
        /// of a TXT record and its value. It ends with 0 once the record can be seen.
        dns_hook: OneOrMore<HookWord> [optional] eg ["/etc/shardgate/dns-hook"];
        /// How long it may take.
        dns_hook_timeout_ms: u64 [120_000] in 1_000..=3_600_000;
        /// How long before its end a certificate is renewed. At most half its life counts.
        renew_before_days: u32 [30] in 1..=365;
    }
}
