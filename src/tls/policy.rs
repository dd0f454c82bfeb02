//! Security policies by AWS's names: versions, suites and key exchange groups.
//!
//! A policy says what AWS offers under its name; what rustls has of that is negotiated, in AWS's
//! order. rustls has neither CBC suites nor key exchange by RSA, nor TLS below 1.2. Where a policy
//! keeps something to offer without them it is narrowed, and says so; where its point is what
//! rustls lacks, it is refused.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{CipherSuite, NamedGroup, SupportedProtocolVersion};

use super::problem::TlsProblem;
use super::provider::{PROVIDER_NAME, base_provider};

/// A policy that domains may name.
///
/// Suites and groups are AWS's, in "Supported security policies" of the API Gateway guide; the
/// three names that its tables lack (`..._FIPS_PQ_...` and `..._Ext2_...`) are taken from Elastic
/// Load Balancing's policies of the same names, of which rustls offers the same part.
#[derive(Debug, Eq)]
pub struct SecurityPolicy {
    /// As AWS spells it.
    pub name: &'static str,
    /// The oldest version that is negotiated; the newest is always 1.3.
    pub version_min: TlsVersion,
    /// The suites of AWS.
    pub suites: &'static [Suite],
    /// The groups that are offered, most wanted first.
    pub groups: &'static [Group],
    /// It asks for a module that is validated, which no build of the gateway has.
    pub is_fips: bool,
}

impl PartialEq for SecurityPolicy {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

impl SecurityPolicy {
    /// What a domain gets that names none; AWS's default for domains.
    pub const DEFAULT: &'static Self = &POLICIES[0];

    /// What targets get that name none: the widest without a post-quantum group, which is a
    /// kilobyte more in the first packet.
    pub const UPSTREAM_DEFAULT: &'static Self = &POLICIES[11];

    /// Every policy that is offered.
    pub const ALL: &'static [Self] = POLICIES;

    /// The policy of that name. The error says why there is none.
    pub fn find(name: &str) -> Result<&'static Self, TlsProblem> {
        if let Some(policy) = POLICIES.iter().find(|policy| policy.name == name) {
            return Ok(policy);
        }
        if name == "TLS_1_0" {
            let message = "TLS_1_0 would let clients use TLS 1.0 and 1.1, which are broken \
                (RFC 8996) and which the gateway does not have";
            return Err(TlsProblem::new(message)
                .help("use TLS_1_2: every client since about 2013 speaks TLS 1.2"));
        }
        let names: Vec<_> = POLICIES.iter().map(|policy| policy.name).collect();
        Err(TlsProblem::new(format!("there is no security policy {name}"))
            .help(format!("there are {}", names.join(", "))))
    }

    /// The suites of AWS that are offered.
    pub fn offered_suites(&self) -> impl Iterator<Item = Suite> {
        self.suites.iter().copied().filter(|suite| suite.rustls_name().is_some())
    }

    /// The suites of AWS that are not offered.
    pub fn missing_suites(&self) -> impl Iterator<Item = Suite> {
        self.suites.iter().copied().filter(|suite| suite.rustls_name().is_none())
    }

    /// Whether a handshake may agree on a key that quantum computers do not find.
    #[must_use]
    pub fn is_post_quantum(&self) -> bool {
        self.groups.iter().any(|group| group.is_post_quantum())
    }

    /// What an operator should know who chose it.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        self.is_fips.then(|| {
            format!(
                "{} is held to in its algorithms, but {PROVIDER_NAME} in this build is no \
                 FIPS-validated module",
                self.name
            )
        })
    }

    pub(crate) fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.version_min {
            TlsVersion::Tls12 => BOTH_VERSIONS,
            TlsVersion::Tls13 => NEWEST_VERSION,
        }
    }

    /// The provider, less what the policy does not allow. An error if this build's provider lacks
    /// what the policy is chosen for.
    pub(crate) fn provider(&self) -> Result<Arc<CryptoProvider>, TlsProblem> {
        let base = base_provider();
        let suites = self.offered_suites().filter_map(Suite::rustls_name);
        let suites = suites.filter_map(|name| {
            base.cipher_suites.iter().find(|suite| suite.suite() == name).copied()
        });
        let group = |name: NamedGroup| base.kx_groups.iter().find(|group| group.name() == name);
        let mut kx_groups = Vec::new();
        for wanted in self.groups {
            match group(wanted.rustls_name()) {
                Some(group) => kx_groups.push(*group),
                None => {
                    let message = format!(
                        "{} needs the key exchange {}, which {PROVIDER_NAME} does not have",
                        self.name,
                        wanted.name()
                    );
                    let help = "use a build with aws-lc-rs (the feature tls-aws-lc, on by \
                        default), or a policy without PQ in its name";
                    return Err(TlsProblem::new(message).help(help));
                }
            }
        }
        let provider =
            CryptoProvider { cipher_suites: suites.collect(), kx_groups, ..(*base).clone() };
        debug_assert!(!provider.cipher_suites.is_empty() && !provider.kx_groups.is_empty());
        Ok(Arc::new(provider))
    }
}

macro_rules! suites {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal $rustls:expr;)+) => {
        /// A suite that some policy of AWS has, in OpenSSL's spelling as AWS's tables have it.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Suite {
            $(#[doc = $name] $variant,)+
        }

        impl Suite {
            /// As AWS spells it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// rustls' name for it, if rustls has it.
            const fn rustls_name(self) -> Option<CipherSuite> {
                match self { $(Self::$variant => $rustls,)+ }
            }
        }
    };
}

suites! {
    Aes128 "TLS_AES_128_GCM_SHA256" Some(CipherSuite::TLS13_AES_128_GCM_SHA256);
    Aes256 "TLS_AES_256_GCM_SHA384" Some(CipherSuite::TLS13_AES_256_GCM_SHA384);
    Chacha20 "TLS_CHACHA20_POLY1305_SHA256" Some(CipherSuite::TLS13_CHACHA20_POLY1305_SHA256);
    EcdsaAes128Gcm "ECDHE-ECDSA-AES128-GCM-SHA256"
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    RsaAes128Gcm "ECDHE-RSA-AES128-GCM-SHA256"
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
    EcdsaAes256Gcm "ECDHE-ECDSA-AES256-GCM-SHA384"
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
    RsaAes256Gcm "ECDHE-RSA-AES256-GCM-SHA384"
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384);
    EcdsaChacha20 "ECDHE-ECDSA-CHACHA20-POLY1305"
        Some(CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
    RsaChacha20 "ECDHE-RSA-CHACHA20-POLY1305"
        Some(CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256);
    EcdsaAes128Cbc "ECDHE-ECDSA-AES128-SHA256" None;
    RsaAes128Cbc "ECDHE-RSA-AES128-SHA256" None;
    EcdsaAes256Cbc "ECDHE-ECDSA-AES256-SHA384" None;
    RsaAes256Cbc "ECDHE-RSA-AES256-SHA384" None;
    EcdsaAes128Sha "ECDHE-ECDSA-AES128-SHA" None;
    RsaAes128Sha "ECDHE-RSA-AES128-SHA" None;
    EcdsaAes256Sha "ECDHE-ECDSA-AES256-SHA" None;
    RsaAes256Sha "ECDHE-RSA-AES256-SHA" None;
    PlainAes128Gcm "AES128-GCM-SHA256" None;
    PlainAes128Cbc "AES128-SHA256" None;
    PlainAes128Sha "AES128-SHA" None;
    PlainAes256Gcm "AES256-GCM-SHA384" None;
    PlainAes256Cbc "AES256-SHA256" None;
    PlainAes256Sha "AES256-SHA" None;
}

/// A key exchange group.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Group {
    /// X25519 with ML-KEM-768: safe as long as either is.
    X25519MlKem768,
    /// P-256 with ML-KEM-768.
    Secp256r1MlKem768,
    /// Curve25519.
    X25519,
    /// P-256.
    Secp256r1,
    /// P-384.
    Secp384r1,
}

impl Group {
    /// As IANA spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::X25519MlKem768 => "X25519MLKEM768",
            Self::Secp256r1MlKem768 => "SecP256r1MLKEM768",
            Self::X25519 => "x25519",
            Self::Secp256r1 => "secp256r1",
            Self::Secp384r1 => "secp384r1",
        }
    }

    const fn is_post_quantum(self) -> bool {
        matches!(self, Self::X25519MlKem768 | Self::Secp256r1MlKem768)
    }

    const fn rustls_name(self) -> NamedGroup {
        match self {
            Self::X25519MlKem768 => NamedGroup::X25519MLKEM768,
            Self::Secp256r1MlKem768 => NamedGroup::secp256r1MLKEM768,
            Self::X25519 => NamedGroup::X25519,
            Self::Secp256r1 => NamedGroup::secp256r1,
            Self::Secp384r1 => NamedGroup::secp384r1,
        }
    }
}

use Suite::{
    Aes128, Aes256, Chacha20, EcdsaAes128Cbc, EcdsaAes128Gcm, EcdsaAes128Sha, EcdsaAes256Cbc,
    EcdsaAes256Gcm, EcdsaAes256Sha, EcdsaChacha20, PlainAes128Cbc, PlainAes128Gcm, PlainAes128Sha,
    PlainAes256Cbc, PlainAes256Gcm, PlainAes256Sha, RsaAes128Cbc, RsaAes128Gcm, RsaAes128Sha,
    RsaAes256Cbc, RsaAes256Gcm, RsaAes256Sha, RsaChacha20,
};

const BOTH_VERSIONS: &[&SupportedProtocolVersion] =
    &[&rustls::version::TLS13, &rustls::version::TLS12];
const NEWEST_VERSION: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

const TLS13: &[Suite] = &[Aes128, Aes256, Chacha20];
const TLS13_FIPS: &[Suite] = &[Aes128, Aes256];
#[rustfmt::skip]
const FIPS_PFS: &[Suite] =
    &[Aes128, Aes256, EcdsaAes128Gcm, RsaAes128Gcm, EcdsaAes256Gcm, RsaAes256Gcm];
#[rustfmt::skip]
const PFS: &[Suite] =
    &[Aes128, Aes256, Chacha20, EcdsaAes128Gcm, RsaAes128Gcm, EcdsaAes256Gcm, RsaAes256Gcm];
#[rustfmt::skip]
const FIPS: &[Suite] = &[
    Aes128, Aes256, EcdsaAes128Gcm, RsaAes128Gcm, EcdsaAes128Cbc, RsaAes128Cbc, EcdsaAes256Gcm,
    RsaAes256Gcm, EcdsaAes256Cbc, RsaAes256Cbc,
];
#[rustfmt::skip]
const PLAIN: &[Suite] = &[
    Aes128, Aes256, Chacha20, EcdsaAes128Gcm, RsaAes128Gcm, EcdsaAes128Cbc, RsaAes128Cbc,
    EcdsaAes256Gcm, RsaAes256Gcm, EcdsaAes256Cbc, RsaAes256Cbc, PlainAes128Gcm, PlainAes128Cbc,
    PlainAes256Gcm, PlainAes256Cbc,
];
#[rustfmt::skip]
const EXT2: &[Suite] = &[
    Aes128, Aes256, Chacha20, EcdsaAes128Gcm, RsaAes128Gcm, EcdsaAes128Cbc, RsaAes128Cbc,
    EcdsaAes128Sha, RsaAes128Sha, EcdsaAes256Gcm, RsaAes256Gcm, EcdsaAes256Cbc, RsaAes256Cbc,
    EcdsaAes256Sha, RsaAes256Sha, PlainAes128Gcm, PlainAes128Cbc, PlainAes128Sha, PlainAes256Gcm,
    PlainAes256Cbc, PlainAes256Sha,
];
#[rustfmt::skip]
const EXT2_FIPS: &[Suite] = &[
    Aes128, Aes256, EcdsaAes128Gcm, RsaAes128Gcm, EcdsaAes128Cbc, RsaAes128Cbc, EcdsaAes128Sha,
    RsaAes128Sha, EcdsaAes256Gcm, RsaAes256Gcm, EcdsaAes256Cbc, RsaAes256Cbc, EcdsaAes256Sha,
    RsaAes256Sha, PlainAes128Gcm, PlainAes128Cbc, PlainAes128Sha, PlainAes256Gcm, PlainAes256Cbc,
    PlainAes256Sha,
];
#[rustfmt::skip]
const EDGE_PFS: &[Suite] = &[
    Aes128, Aes256, Chacha20, EcdsaAes128Gcm, EcdsaAes256Gcm, EcdsaChacha20, RsaAes128Gcm,
    RsaAes256Gcm, RsaChacha20,
];
#[rustfmt::skip]
const EDGE_2018: &[Suite] = &[
    Aes128, Aes256, Chacha20, EcdsaAes128Gcm, EcdsaAes128Cbc, EcdsaAes256Gcm, EcdsaChacha20,
    EcdsaAes256Cbc, RsaAes128Gcm, RsaAes128Cbc, RsaAes256Gcm, RsaChacha20, RsaAes256Cbc,
];

const CLASSIC: &[Group] = &[Group::X25519, Group::Secp256r1, Group::Secp384r1];
/// Curve25519 alone is no approved group; in a hybrid it may stand beside ML-KEM, which is.
const CLASSIC_FIPS: &[Group] = &[Group::Secp256r1, Group::Secp384r1];
const PQ: &[Group] = &[
    Group::X25519MlKem768,
    Group::Secp256r1MlKem768,
    Group::X25519,
    Group::Secp256r1,
    Group::Secp384r1,
];
const PQ_FIPS: &[Group] =
    &[Group::X25519MlKem768, Group::Secp256r1MlKem768, Group::Secp256r1, Group::Secp384r1];

macro_rules! policies {
    ($($name:literal $version:ident $suites:ident $groups:ident $fips:literal;)+) => {
        &[$(SecurityPolicy {
            name: $name,
            version_min: TlsVersion::$version,
            suites: $suites,
            groups: $groups,
            is_fips: $fips,
        },)+]
    };
}

#[rustfmt::skip]
const POLICIES: &[SecurityPolicy] = policies! {
    "TLS_1_2"                                      Tls12 PLAIN      CLASSIC      false;
    "SecurityPolicy_TLS13_1_3_2025_09"             Tls13 TLS13      CLASSIC      false;
    "SecurityPolicy_TLS13_1_3_FIPS_2025_09"        Tls13 TLS13_FIPS CLASSIC_FIPS true;
    "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09"      Tls12 PFS        PQ           false;
    "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09" Tls12 FIPS_PFS   PQ_FIPS      true;
    "SecurityPolicy_TLS13_1_2_PQ_2025_09"          Tls12 PLAIN      PQ           false;
    "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09"     Tls12 FIPS       PQ_FIPS      true;
    "SecurityPolicy_TLS13_1_2_Ext2_PQ_2025_09"     Tls12 EXT2       PQ           false;
    "SecurityPolicy_TLS13_1_2_Ext2_FIPS_PQ_2025_09" Tls12 EXT2_FIPS PQ_FIPS      true;
    "SecurityPolicy_TLS13_1_2_2021_06"             Tls12 PLAIN      CLASSIC      false;
    "SecurityPolicy_TLS13_2025_EDGE"               Tls13 TLS13      CLASSIC      false;
    "SecurityPolicy_TLS12_PFS_2025_EDGE"           Tls12 EDGE_PFS   CLASSIC      false;
    "SecurityPolicy_TLS12_2018_EDGE"               Tls12 EDGE_2018  CLASSIC      false;
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_aws_is_a_policy_or_an_error_that_says_why() {
        // `SecurityPolicy` of the API's model.
        let names = [
            "TLS_1_2",
            "SecurityPolicy_TLS13_1_3_2025_09",
            "SecurityPolicy_TLS13_1_3_FIPS_2025_09",
            "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_FIPS_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_FIPS_PFS_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_Ext2_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_Ext2_FIPS_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_PQ_2025_09",
            "SecurityPolicy_TLS13_1_2_2021_06",
            "SecurityPolicy_TLS13_2025_EDGE",
            "SecurityPolicy_TLS12_PFS_2025_EDGE",
            "SecurityPolicy_TLS12_2018_EDGE",
        ];
        for name in names {
            assert_eq!(SecurityPolicy::find(name).map(|policy| policy.name), Ok(name));
        }
        assert_eq!(names.len(), SecurityPolicy::ALL.len(), "no other");
        let refused = SecurityPolicy::find("TLS_1_0").expect_err("TLS 1.0");
        assert!(refused.message.contains("1.1") && refused.help.is_some(), "{refused}");
        let unknown = SecurityPolicy::find("TLS_1_3").expect_err("no such name");
        assert!(unknown.help.is_some_and(|help| help.contains("SecurityPolicy_TLS13_1_3_2025_09")));
    }

    #[test]
    fn the_defaults_are_what_they_should_be() {
        assert_eq!(SecurityPolicy::DEFAULT.name, "TLS_1_2");
        assert_eq!(SecurityPolicy::UPSTREAM_DEFAULT.name, "SecurityPolicy_TLS12_PFS_2025_EDGE");
    }

    #[test]
    fn names_say_what_policies_are() {
        for policy in SecurityPolicy::ALL {
            let name = policy.name;
            assert_eq!(name.contains("_PQ_"), policy.is_post_quantum(), "{name}");
            assert_eq!(name.contains("FIPS"), policy.is_fips, "{name}");
            assert_eq!(policy.warning().is_some(), policy.is_fips, "{name}");
            let offered: Vec<_> = policy.offered_suites().collect();
            let is_13 = |suite: &Suite| TLS13.contains(suite);
            assert!(offered.iter().any(is_13), "{name} has 1.3");
            let has_12 = policy.version_min == TlsVersion::Tls12;
            assert_eq!(has_12, !offered.iter().all(is_13), "{name}: versions and suites agree");
            if policy.is_fips {
                let is_other = |suite: &Suite| suite.name().contains("CHACHA");
                assert!(!offered.iter().any(is_other), "{name}");
                assert!(!policy.groups.contains(&Group::X25519), "{name}");
            }
            if name.contains("PFS") {
                assert_eq!(policy.missing_suites().count(), 0, "{name} has nothing but PFS");
            }
            let all = offered.len() + policy.missing_suites().count();
            assert_eq!(all, policy.suites.len());
        }
    }

    #[test]
    fn the_provider_has_what_the_policy_offers_and_nothing_else() {
        for policy in SecurityPolicy::ALL {
            let provider = match policy.provider() {
                Ok(provider) => provider,
                Err(problem) => {
                    assert!(PROVIDER_NAME == "ring" && policy.is_post_quantum(), "{problem}");
                    assert!(problem.message.contains("MLKEM"), "{problem}");
                    continue;
                }
            };
            let suites: Vec<_> = provider.cipher_suites.iter().map(|one| one.suite()).collect();
            let expected: Vec<_> = policy
                .offered_suites()
                .map(|suite| suite.rustls_name().expect("offered"))
                .collect();
            assert_eq!(suites, expected, "{}", policy.name);
            let groups: Vec<_> = provider.kx_groups.iter().map(|group| group.name()).collect();
            let expected: Vec<_> = policy.groups.iter().map(|group| group.rustls_name()).collect();
            assert_eq!(groups, expected, "{}", policy.name);
        }
    }
}
