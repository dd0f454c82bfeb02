//! Streamed answers of endpoints of Lambda's Invoke API: the event stream in an answer's body.

use std::rc::Rc;

use super::super::answer_body::{AnswerBody, AnswerTimes};
use super::super::exchange::{Answer, Exchange, Relayed, outcome_of};
use super::super::pass_on::keep;
use super::Failed;
use super::facts::Call;
use super::function_stream::{AnswerPieces, StreamOut, stream_answer};
use crate::base::{Fault, Nanos};
use crate::coord::TrialStep;
use crate::lambda::{EventStreamDecoder, InvokeComplete, StreamEvent};
use crate::rt::{now, spawn};
use crate::upstream::{Lease, Outcome};

/// Invokes the function, and passes on what it answers while it comes.
pub(super) async fn stream(
    call: &Call<'_>,
    exchange: &mut Exchange<'_, '_>,
) -> Result<Relayed, Failed> {
    let (mut lease, answer, sent) = exchange.ask().await?;
    let Answer { link, head, buffer, start, sent_whole, came } = answer;
    let (upstream_status, head_end) = (head.status, start + head.head_bytes);
    if let Some(trial) = &call.state.trial {
        let head = buffer[start..head_end].to_vec();
        trial.add(TrialStep::EndpointAnswer { head, at: came });
    }
    let times = AnswerTimes { idle_timeout: exchange.idle_timeout(&lease), due: link.due_max() };
    let early = (head.framing, buffer[head_end..].to_vec());
    let body = AnswerBody::new(Rc::clone(exchange.state), link, early, times, came);
    let may_keep = head.keep_alive && sent_whole;
    exchange.state.put_response_head(head);
    exchange.state.head_buffers.put(buffer);
    if upstream_status != 200 {
        lease.report(Outcome::Answered(upstream_status), came);
        let reason = format!("the endpoint of the function answered {upstream_status}");
        return Err(Failed::because(Fault::FunctionFailed, reason));
    }
    let mut pieces = EndpointPieces::new(body);
    let to = StreamOut { state: exchange.state, body: exchange.body, out: exchange.out };
    match stream_answer(call, &mut pieces, to).await {
        Ok(streamed) => {
            lease.report(Outcome::Answered(upstream_status), streamed.ended);
            if may_keep && pieces.is_all() {
                settle(lease, pieces.body).await;
            }
            Ok(Relayed {
                status: streamed.status,
                upstream_status,
                goes_on: streamed.goes_on,
                answer_bytes: streamed.answer_bytes,
                upstream: streamed.came.since(sent),
                is_tunnel: false,
                ended: streamed.ended,
            })
        }
        Err(failed) => {
            lease.report(outcome_of(failed.fault, upstream_status), now());
            Err(failed)
        }
    }
}

/// Keeps the connection once the answer's framing has ended too. Its last bytes may come a little
/// behind the event that says that the invocation is over: nobody waits for them.
async fn settle(lease: Lease, mut body: AnswerBody) {
    if body.is_over() {
        return keep_if_clean(&lease, body);
    }
    let due = now().plus(SETTLE_TIMEOUT);
    body.set_times(AnswerTimes { idle_timeout: SETTLE_TIMEOUT, due });
    spawn(async move {
        let mut rest = Vec::new();
        while rest.is_empty() {
            match body.next(&mut rest).await {
                Ok(true) => {}
                Ok(false) => return keep_if_clean(&lease, body),
                Err(_) => return,
            }
        }
    });
}

fn keep_if_clean(lease: &Lease, body: AnswerBody) {
    let at = now();
    let (link, is_clean) = body.into_link();
    keep(lease, link, is_clean, at);
}

/// How long the end of an answer may be behind the end of its events.
const SETTLE_TIMEOUT: Nanos = Nanos::from_millis(1_000);

/// The pieces that an endpoint sends.
struct EndpointPieces {
    body: AnswerBody,
    decoder: EventStreamDecoder,
    /// What was read; `[..used]` is decoded.
    raw: Vec<u8>,
    used: usize,
    /// How the stream ends, once that is known and what came before it was told.
    end: Option<Result<(), Failed>>,
}

impl EndpointPieces {
    fn new(body: AnswerBody) -> Self {
        Self { body, decoder: EventStreamDecoder::new(), raw: Vec::new(), used: 0, end: None }
    }

    /// Whether nothing came behind the last event so far.
    fn is_all(&self) -> bool {
        self.used == self.raw.len()
    }

    /// Decodes what was read, up to the end of the stream if it is there.
    fn decode(&mut self, piece: &mut Vec<u8>) {
        while self.end.is_none() && self.used < self.raw.len() {
            match self.decoder.feed(&self.raw[self.used..]) {
                Ok((taken, event)) => {
                    self.used += taken;
                    match event {
                        None | Some(StreamEvent::Other) => {}
                        Some(StreamEvent::Payload(payload)) => piece.extend_from_slice(payload),
                        Some(StreamEvent::Complete(complete)) => self.end = Some(end_of(complete)),
                        Some(StreamEvent::Exception(exception)) => {
                            let (kind, message) = (exception.kind, exception.message);
                            let reason = format!("the endpoint gave up: {kind:?} {message:?}");
                            self.end = Some(Err(Failed::because(Fault::FunctionFailed, reason)));
                        }
                    }
                }
                Err(malformed) => {
                    let reason = malformed.to_string();
                    self.end = Some(Err(Failed::because(Fault::FunctionFailed, reason)));
                }
            }
        }
    }

    /// Reads more; an answer that ends before its events do is cut.
    async fn read(&mut self) -> Result<(), Failed> {
        self.raw = Vec::new(); // it may wait for long
        self.used = 0;
        self.body.readable().await;
        if self.body.next(&mut self.raw).await? {
            return Ok(());
        }
        let reason = "the event stream ended before `InvokeComplete`";
        Err(Failed::because(Fault::UpstreamReset, reason))
    }
}

impl AnswerPieces for EndpointPieces {
    async fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, Failed> {
        let start = piece.len();
        loop {
            self.decode(piece);
            if piece.len() > start {
                return Ok(true);
            }
            if let Some(end) = self.end.take() {
                return end.map(|()| false);
            }
            self.read().await?;
        }
    }
}

fn end_of(complete: InvokeComplete) -> Result<(), Failed> {
    let Some(code) = complete.error_code.filter(|code| !code.is_empty()) else { return Ok(()) };
    let details = complete.error_details.unwrap_or_default();
    let reason = format!("the function failed: {code:?} {details:?}");
    Err(Failed::because(Fault::FunctionFailed, reason))
}
