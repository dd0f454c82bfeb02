//! Cost of calling a function: the event in each format, and the signature of a call.

use std::hint::black_box;

use shardgate::lambda::{EventScratch, Flavour, ProxyRequest, event_v1, event_v2};
use shardgate::sign::{CanonicalTarget, Signer, SigningCredentials, SigningKeys};

use crate::in_process::event_request::with_event_request;
use crate::measure::{Case, Measure};

type WriteEvent = fn(&ProxyRequest<'_>, &mut EventScratch, &mut Vec<u8>);

pub(crate) fn cases(measure: &mut Measure) {
    let formats: [(&str, WriteEvent); 3] = [
        ("event_rest", |request, scratch, out| event_v1(request, Flavour::Rest, scratch, out)),
        ("event_1.0", |request, scratch, out| event_v1(request, Flavour::Http, scratch, out)),
        ("event_2.0", event_v2),
    ];
    for (name, write) in formats {
        measure.case(Case::new("function", name), || {
            let (mut scratch, mut out) = (EventScratch::new(), Vec::new());
            move || {
                out.clear();
                with_event_request(|request| write(black_box(request), &mut scratch, &mut out));
                out.len()
            }
        });
    }
    measure.case(Case::new("function", "sign_1_kib"), || {
        let (keys, event) = (SigningKeys::new(), vec![b'x'; 1_024]);
        let target = CanonicalTarget::new("POST", "/2015-03-31/functions/orders/invocations", &[]);
        let mut out = Vec::new();
        move || {
            out.clear();
            signer().sign(&keys, &target, &HEADERS, black_box(&event), NOW, &mut out);
            out.len()
        }
    });
}

fn signer() -> &'static Signer {
    static SIGNER: std::sync::LazyLock<Signer> = std::sync::LazyLock::new(|| Signer {
        credentials: SigningCredentials {
            access_key_id: "AKIDEXAMPLE".into(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".into(),
            session_token: None,
        },
        region: "us-east-1".into(),
        service: "lambda",
    });
    &SIGNER
}

const HEADERS: [(&str, &str); 3] = [
    ("Host", "lambda.us-east-1.amazonaws.com"),
    ("Content-Type", "application/json"),
    ("X-Amz-Invocation-Type", "RequestResponse"),
];
const NOW: u64 = 1_440_938_160;
