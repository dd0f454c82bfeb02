//! Functions behind an endpoint of Lambda's Invoke API.

use std::cell::RefCell;

use super::super::exchange::{AnswerUse, Exchange, Form, Translation};
use super::super::forward::field_line;
use super::super::trace_id::TRACE_ID_HEADER;
use super::facts::Call;
use super::function::Invocation;
use super::function_answer::{FunctionReply, answer};
use super::function_endpoint_stream::stream;
use super::function_refusal::refused_invocation;
use super::function_stream::timeout;
use super::{Done, Failed, Work};
use crate::base::{Fault, Method, Nanos};
use crate::coord::TrialStep;
use crate::plan::deployed::{FunctionEndpointPlan, FunctionPlan, FunctionSigningPlan, Transfer};
use crate::proto::ResponseHead;
use crate::rt::now;

/// Sends `invocation` to the endpoint, and passes on what the function answers.
pub(super) async fn serve(
    call: &Call<'_>,
    plan: &FunctionPlan,
    endpoint: &FunctionEndpointPlan,
    invocation: Invocation,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let Work { state, plan: shard_plan, stage, body, out, target, .. } = work;
    let mut head = state.head_buffers.take();
    write_head(call, endpoint, &invocation, &mut head);
    let unsigned_bytes = head.len();
    if let Some(signing) = &endpoint.signing {
        sign(call, signing, &invocation.event, &mut head);
    }
    if let Some(trial) = &state.trial {
        let (head, body) = (shown(&head, unsigned_bytes), invocation.event.clone());
        trial.add(TrialStep::EndpointRequest { head, body, at: now() });
    }
    body.collected = Some(invocation.event);
    let translation = FunctionTranslation { call, plan, head: &head, detail: RefCell::new(None) };
    let mut exchange = Exchange {
        state,
        plan: shard_plan,
        client: call.client,
        request: call.request,
        group: stage.group(endpoint.group),
        timeout: timeout(call, plan),
        form: Form::Deployed(&translation),
        body,
        out,
        target: None,
        web: None,
    };
    let relayed = match plan.transfer {
        Transfer::Buffered => {
            let relayed = exchange.relay().await;
            relayed.map_err(|fault| Failed { fault, detail: translation.detail.take() })
        }
        Transfer::Streamed { .. } => Box::pin(stream(call, &mut exchange)).await,
    };
    *target = exchange.target.take();
    if let Some(event) = exchange.body.collected.take() {
        state.head_buffers.put(event);
    }
    state.head_buffers.put(head);
    relayed.map(Done::Relayed)
}

/// The head of an invocation (AWS Lambda API reference, "Invoke").
fn write_head(
    call: &Call<'_>,
    endpoint: &FunctionEndpointPlan,
    invocation: &Invocation,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"POST ");
    out.extend_from_slice(endpoint.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    field_line(out, b"Host", endpoint.host.as_bytes());
    out.extend_from_slice(b"Content-Type: application/json\r\nAccept: application/json\r\n");
    field_line(out, b"X-Amz-Invocation-Type", invocation.kind.name().as_bytes());
    out.extend_from_slice(&invocation.lines);
    out.extend_from_slice(b"User-Agent: AmazonAPIGateway_");
    out.extend_from_slice(call.stage.labels.api_id.as_bytes());
    out.extend_from_slice(b"\r\n");
    field_line(out, TRACE_ID_HEADER, call.arrival.trace_id.as_bytes());
}

/// Signs an invocation of now, and appends the lines that say so.
fn sign(call: &Call<'_>, signing: &FunctionSigningPlan, event: &[u8], head: &mut Vec<u8>) {
    let mut lines = Vec::with_capacity(SIGNATURE_BYTES_USUAL);
    let headers: Vec<_> = signed_headers(head).collect();
    let seconds = call.state.unix_millis_at(now()) / 1_000;
    let keys = &call.state.signing_keys;
    signing.signer.sign(keys, &signing.target, &headers, event, seconds, &mut lines);
    drop(headers);
    head.extend_from_slice(&lines);
}

/// The headers that AWS's clients sign: those that hops may change are not among them.
fn signed_headers(head: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let lines = lines.filter_map(|line| std::str::from_utf8(line.trim_ascii_end()).ok());
    lines.filter_map(|line| line.split_once(": ")).filter(|(name, _)| {
        let is = |one: &str| name.eq_ignore_ascii_case(one);
        let start = name.get(..AMZ.len());
        is("host") || is("content-type") || start.is_some_and(|one| one.eq_ignore_ascii_case(AMZ))
    })
}

/// The head for a log: who signed it is nobody's business.
fn shown(head: &[u8], unsigned_bytes: usize) -> Vec<u8> {
    let (unsigned, signature) = head.split_at(unsigned_bytes);
    let mut shown = unsigned.to_vec();
    for line in signature.split_inclusive(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        match name.eq_ignore_ascii_case(b"x-amz-date") {
            true => shown.extend_from_slice(line),
            false => field_line(&mut shown, name, b"*****"),
        }
    }
    shown
}

const AMZ: &str = "x-amz-";
const SIGNATURE_BYTES_USUAL: usize = 512;

/// What becomes of an invocation and its answer.
struct FunctionTranslation<'t> {
    call: &'t Call<'t>,
    plan: &'t FunctionPlan,
    head: &'t [u8],
    detail: RefCell<Option<String>>,
}

impl FunctionTranslation<'_> {
    fn fail(&self, failed: Failed) -> Fault {
        self.detail.replace(failed.detail);
        failed.fault
    }
}

impl Translation for FunctionTranslation<'_> {
    fn method(&self) -> Method {
        Method::Post
    }

    fn sends_body(&self) -> bool {
        true
    }

    fn stream_idle_timeout(&self) -> Option<Nanos> {
        let limits = &self.call.plan.limits;
        self.plan.transfer.idle_timeout_ms(limits).map(Nanos::from_millis)
    }

    fn write_request(&self, out: &mut Vec<u8>, to_http2: bool) {
        out.extend_from_slice(self.head);
        if !to_http2 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
    }

    fn judge(&self, _: &ResponseHead, bytes: &[u8]) -> Result<AnswerUse, Fault> {
        if let Some(trial) = &self.call.state.trial {
            trial.add(TrialStep::EndpointAnswer { head: bytes.to_vec(), at: now() });
        }
        Ok(AnswerUse::Collect)
    }

    fn write_answer(&self, _: &mut Vec<u8>, _: &ResponseHead, _: &[u8]) {
        debug_assert!(false, "answers of functions are read whole");
    }

    fn write_collected(
        &self,
        out: &mut Vec<u8>,
        head: &ResponseHead,
        bytes: &[u8],
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), Fault> {
        if let Some(trial) = &self.call.state.trial {
            trial.add(TrialStep::EndpointAnswerBody(body.clone()));
        }
        if !(200..300).contains(&head.status) {
            return Err(self.fail(refused_invocation(head, bytes, &body)));
        }
        let has_failed = head.field_by_name(bytes, b"x-amz-function-error").is_some();
        let reply = FunctionReply { head, bytes, has_failed, body };
        answer(self.call, self.plan, reply, out).map_err(|failed| self.fail(failed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hops_may_change_is_not_signed() {
        let head = b"POST /x HTTP/1.1\r\nHost: h\r\nAccept: a\r\nX-AMZ-Log-Type: Tail\r\n\
                     X-Amz-Client-Context: \xff\r\nX-Amzn-Trace-Id: r\r\nContent-Type: j\r\n";
        let signed: Vec<_> = signed_headers(head).collect();
        assert_eq!(signed, [("Host", "h"), ("X-AMZ-Log-Type", "Tail"), ("Content-Type", "j")]);
    }

    #[test]
    fn a_log_has_no_signature() {
        let unsigned = b"POST /x HTTP/1.1\r\nHost: h\r\n";
        let signature = b"X-Amz-Date: d\r\nX-Amz-Security-Token: t\r\nAuthorization: a: b\r\n";
        let shown = shown(&[&unsigned[..], signature].concat(), unsigned.len());
        let expected = "POST /x HTTP/1.1\r\nHost: h\r\nX-Amz-Date: d\r\n\
                        X-Amz-Security-Token: *****\r\nAuthorization: *****\r\n";
        assert_eq!(String::from_utf8_lossy(&shown), expected);
    }
}
