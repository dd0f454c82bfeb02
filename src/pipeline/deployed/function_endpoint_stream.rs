//! Streamed answers of endpoints of Lambda's Invoke API: the event stream in an answer's body.

use std::rc::Rc;

use super::super::answer_body::{AnswerBody, AnswerTimes};
use super::super::collect::read_whole;
use super::super::exchange::{Answer, Exchange, Relayed, outcome_of};
use super::super::pass_on::keep;
use super::Failed;
use super::facts::Call;
use super::function_refusal::refused_invocation;
use super::function_stream::{AnswerPieces, StreamOut, stream_answer};
use crate::base::{Fault, Nanos};
use crate::coord::TrialStep;
use crate::lambda::{EventStreamDecoder, InvokeComplete, StreamEvent, StreamException};
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
    let mut body = AnswerBody::new(Rc::clone(exchange.state), link, early, times, came);
    let may_keep = head.keep_alive && sent_whole;
    let refused = if upstream_status == 200 {
        None
    } else {
        // Half of what it says is better than nothing.
        let said = read_whole(&mut body, head.framing).await.unwrap_or_default();
        Some(refused_invocation(&head, &buffer[start..head_end], &said))
    };
    exchange.state.put_response_head(head);
    exchange.state.head_buffers.put(buffer);
    if let Some(refused) = refused {
        lease.report(Outcome::Answered(upstream_status), came);
        return Err(refused);
    }
    let mut pieces = EndpointPieces::new(body);
    let to = StreamOut { state: exchange.state, body: exchange.body, out: exchange.out };
    match stream_answer(call, &mut pieces, to).await {
        Ok(streamed) => {
            lease.report(Outcome::Answered(upstream_status), streamed.ended);
            // What tries a method does not wait for what was spawned, and gives up early.
            if may_keep && call.state.trial.is_none() && pieces.is_all() {
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
    end: End,
}

/// How a stream ends.
enum End {
    Unknown,
    /// So, once what came before was told.
    Known(Result<(), Failed>),
    /// It has.
    Told,
}

impl End {
    fn failed(reason: String) -> Self {
        Self::Known(Err(Failed::because(Fault::FunctionFailed, reason)))
    }
}

impl EndpointPieces {
    fn new(body: AnswerBody) -> Self {
        Self {
            body,
            decoder: EventStreamDecoder::new(),
            raw: Vec::new(),
            used: 0,
            end: End::Unknown,
        }
    }

    /// Whether it ended as it should, and nothing came behind the last event so far.
    fn is_all(&self) -> bool {
        matches!(self.end, End::Told) && self.used == self.raw.len()
    }

    /// Decodes what was read, up to the end of the stream if it is there.
    fn decode(&mut self, piece: &mut Vec<u8>) {
        while matches!(self.end, End::Unknown) && self.used < self.raw.len() {
            self.end = match self.decoder.feed(&self.raw[self.used..]) {
                Ok((taken, event)) => {
                    self.used += taken;
                    event.map_or(End::Unknown, |event| take(event, piece))
                }
                Err(malformed) => End::failed(malformed.to_string()),
            };
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
            match std::mem::replace(&mut self.end, End::Told) {
                End::Known(end) => return end.map(|()| false),
                End::Told => return Ok(false),
                End::Unknown => self.end = End::Unknown,
            }
            self.read().await?;
        }
    }
}

/// Appends what the event brings of the answer; how the stream ends, if it says so.
fn take(event: StreamEvent<'_>, piece: &mut Vec<u8>) -> End {
    match event {
        StreamEvent::Other => End::Unknown,
        StreamEvent::Payload(payload) => {
            piece.extend_from_slice(payload);
            End::Unknown
        }
        StreamEvent::Complete(complete) => end_of(complete),
        StreamEvent::Exception(StreamException { kind, message }) => {
            End::failed(format!("the endpoint gave up: {kind:?} {message:?}"))
        }
    }
}

fn end_of(complete: InvokeComplete) -> End {
    let Some(code) = complete.error_code.filter(|code| !code.is_empty()) else {
        return End::Known(Ok(()));
    };
    let details = complete.error_details.unwrap_or_default();
    End::failed(format!("the function failed: {code:?} {details:?}"))
}
