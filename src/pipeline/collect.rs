//! Bodies that are read whole before anything is done with them: those that an integration looks
//! into, or that become another one.
//!
//! Everything else streams. The bound is AWS's on payloads, or what the route allows.

use std::cell::RefCell;
use std::rc::Rc;

use super::answer_body::{AnswerBody, AnswerTimes};
use super::body::{BodyFate, RequestBody};
use super::client::Client;
use super::exchange::{Answer, Exchange, Form};
use super::pass_on::{Passed, keep};
use super::request::Request;
use super::respond::{Persistence, write_number_line};
use super::send::{ask_for_body, body_source};
use super::state::{ShardPlan, ShardState};
use super::upload::{BodyLeft, BodySink, UploadState, UploadTask};
use crate::base::{Fault, Method, Nanos};
use crate::proto::{BodyFraming, ChunkedDecoder};
use crate::rt::now;
use crate::upstream::Lease;

/// Longest answer that is collected: AWS's payload limit.
const ANSWER_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Reads the whole body of a request into [`RequestBody::collected`].
pub(super) async fn collect_request(
    state: &Rc<ShardState>,
    plan: &ShardPlan,
    client: &Client<'_>,
    body: &mut RequestBody<'_>,
) -> Result<(), Fault> {
    let (early, left) = match body.framing {
        BodyFraming::None | BodyFraming::UntilClose => (Vec::new(), None),
        BodyFraming::Length(length) => match body.whole_length() {
            Some(whole) => (body.early[..whole].to_vec(), None),
            None => {
                let left = length - body.early.len() as u64;
                (body.early.to_vec(), Some(BodyLeft::Length(left)))
            }
        },
        BodyFraming::Chunked => early_chunks(body)?,
    };
    let Some(left) = left else {
        body.collected = Some(early);
        return Ok(());
    };
    body.fate = BodyFate::Abandoned;
    ask_for_body(client, body).await?;
    let (source, client_deadline) = body_source(client, &state.deadlines, left);
    let payload = Rc::new(RefCell::new(early));
    // Nobody waits at its end.
    let nobody = state.deadlines.alarm();
    let task = UploadTask {
        state: Rc::clone(state),
        source,
        client_deadline,
        body_timeout: Nanos::from_millis(plan.plan.limits.body_timeout_ms),
        sink: Rc::new(BodySink::Memory(Rc::clone(&payload))),
        target_deadline: nobody.mover(),
        target_timeout: Nanos::NEVER,
        target_due_max: Nanos::NEVER,
    };
    let upload = task.start();
    body.fate = BodyFate::Uploading(Rc::clone(&upload));
    upload.ended().await;
    match upload.state() {
        UploadState::Done => {
            body.chunked_bytes += upload.payload_bytes();
            body.fate = BodyFate::TakenWhole(upload.take_surplus());
            body.collected = Some(payload.take());
            Ok(())
        }
        UploadState::Failed(fault) => Err(fault),
        UploadState::Running | UploadState::Refused => Err(Fault::ClientGone),
    }
}

/// What came of a chunked body with the head, decoded, and what is still to come.
fn early_chunks(body: &mut RequestBody<'_>) -> Result<(Vec<u8>, Option<BodyLeft>), Fault> {
    let mut raw = body.early.to_vec();
    let mut decoder = ChunkedDecoder::new();
    let decoded = decoder.decode(&mut raw)?;
    raw.truncate(decoded.payload_bytes);
    let payload_bytes = decoded.payload_bytes as u64;
    let left_max = body.bytes_max.checked_sub(payload_bytes).ok_or(Fault::BodyTooLarge)?;
    body.chunked_bytes = payload_bytes;
    if decoded.done {
        body.chunked_end.set(Some(decoded.consumed_bytes));
        return Ok((raw, None));
    }
    Ok((raw, Some(BodyLeft::Chunked { decoder: Box::new(decoder), left_max })))
}

impl Exchange<'_, '_> {
    /// Reads the answer whole, and sends what the integration makes of it. `due` is the end of the
    /// integration's time: the client has nothing before.
    pub(super) async fn collect(
        &mut self,
        lease: &Lease,
        answer: Answer,
        due: Nanos,
    ) -> Result<Passed, Fault> {
        let Form::Deployed(translation) = self.form else { return Err(Fault::BadUpstreamAnswer) };
        let Answer { link, head, buffer, start, sent_whole, came } = answer;
        let head_end = start + head.head_bytes;
        let idle_timeout = self.idle_timeout(lease);
        let times = AnswerTimes { idle_timeout, due };
        let early = (head.framing, buffer[head_end..].to_vec());
        let mut body = AnswerBody::new(Rc::clone(self.state), link, early, times, came);
        let whole = read_whole(&mut body, head.framing).await;
        let at = body.at();
        let written = whole.and_then(|whole| {
            let (link, is_clean) = body.into_link();
            let may_keep = is_clean && head.keep_alive && sent_whole && self.is_body_sent();
            keep(lease, link, may_keep, at);
            translation.write_collected(self.out, &head, &buffer[start..head_end], whole)
        });
        self.state.put_response_head(head);
        self.state.head_buffers.put(buffer);
        let (status, body) = written.inspect_err(|_| self.out.clear())?;
        self.send_collected(status, &body, at).await
    }

    async fn send_collected(
        &mut self,
        status: u16,
        body: &[u8],
        at: Nanos,
    ) -> Result<Passed, Fault> {
        let goes_on = self.client.may_go_on(self.state, self.request) && self.is_body_sent();
        let answer = WholeAnswer { status, body, goes_on, at };
        let answer_bytes = answer.send(self.client, self.request, self.out).await?;
        let goes_on = self.finish_upload() && goes_on;
        Ok(Passed { status, goes_on, answer_bytes, ended: now() })
    }
}

/// An answer whose body is at hand.
pub(super) struct WholeAnswer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    /// Whether the connection may carry another request behind it.
    pub(super) goes_on: bool,
    pub(super) at: Nanos,
}

impl WholeAnswer<'_> {
    /// Ends the head that is in `out`, and sends it with the body. How long that was.
    pub(super) async fn send(
        &self,
        client: &Client<'_>,
        request: &Request<'_>,
        out: &mut Vec<u8>,
    ) -> Result<u64, Fault> {
        let is_bodiless = matches!(self.status, 204 | 304);
        if !is_bodiless {
            write_number_line(out, b"content-length", self.body.len() as u64);
        }
        out.extend_from_slice(Persistence::of(request.head.version, self.goes_on).line());
        out.extend_from_slice(b"\r\n");
        let has_body = !is_bodiless && request.head.method != Method::Head;
        if has_body {
            out.extend_from_slice(self.body);
        }
        client.answer_started.set(true);
        let (result, sent) = client.write(std::mem::take(out), 0, self.at, true).await;
        *out = sent;
        out.clear();
        result?;
        Ok(if has_body { self.body.len() as u64 } else { 0 })
    }
}

/// Reads the whole of `body`, up to the longest that is collected.
pub(super) async fn read_whole(
    body: &mut AnswerBody,
    framing: BodyFraming,
) -> Result<Vec<u8>, Fault> {
    let is_long =
        matches!(framing, BodyFraming::Length(length) if length > ANSWER_BYTES_MAX as u64);
    let mut whole = Vec::new();
    while !is_long && whole.len() <= ANSWER_BYTES_MAX {
        if !body.next(&mut whole).await? {
            return Ok(whole);
        }
    }
    Err(Fault::BadUpstreamAnswer)
}
