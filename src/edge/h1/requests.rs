//! Serves the requests that lie in a connection's input, and steps over their bodies.

use std::cell::Cell;
use std::rc::Rc;

use super::work::Work;
use super::{Http1, Next};
use crate::base::Nanos;
use crate::base::limits::REQUESTS_PER_TURN_MAX;
use crate::edge::{SMALL_BODY_BYTES, head_limits};
use crate::model::Limits;
use crate::observe::DeadlineKind;
use crate::pipeline::{
    BodyFate, Client, ClientLink, DISCARD_BYTES_MAX, DISCARD_TIMEOUT, Http1Link, Request,
    RequestBody, serve,
};
use crate::proto::http2::PREFACE;
use crate::proto::{BodyFraming, HeadScanner};
use crate::rt::now;
use crate::transport::Transport;

impl Http1 {
    pub(super) async fn serve_requests(&self, work: &mut Work<'_>) -> Next {
        if let Err(next) = self.read(work).await {
            return next;
        }
        if self.awaits_proxy_header.get()
            && let Err(next) = self.take_proxy_header(work).await
        {
            return next;
        }
        loop {
            let plan = self.state.plan();
            let limits = &plan.plan.limits;
            let head_limits = head_limits(limits);
            let found = work.scanner.find_end(&work.buffers.input[work.start..], &head_limits);
            let next = match found {
                Err(fault) => Some(self.refuse(work, fault, None)),
                Ok(Some(_)) if self.is_preface(work) => {
                    let spare = self.state.head_buffers.take();
                    self.rescued.set(std::mem::replace(&mut work.buffers.input, spare));
                    return Next::Http2;
                }
                Ok(Some(head_bytes)) => self.serve_one(work, head_bytes, limits).await,
                Ok(None) => {
                    if let Err(next) = self.flush(work).await {
                        return next;
                    }
                    match self.read_head(work, limits).await {
                        Ok(()) => continue,
                        Err(next) => Some(next),
                    }
                }
            };
            if let Some(next) = next {
                return match self.flush(work).await {
                    Ok(()) => next,
                    Err(next) => next,
                };
            }
            let is_idle = work.start == work.buffers.input.len();
            if (is_idle || work.answers_count >= REQUESTS_PER_TURN_MAX)
                && let Err(next) = self.flush(work).await
            {
                return next;
            }
            if is_idle {
                return Next::Idle(work.at);
            }
        }
    }

    /// Whether the connection is one of HTTP/2, and may be. Its first bytes look like the head of a
    /// request, but for the version (RFC 9113 section 3.3).
    fn is_preface(&self, work: &Work<'_>) -> bool {
        self.requests_count.get() == 0
            && work.start == 0
            && work.buffers.input.starts_with(&PREFACE[..PREFACE_HEAD_BYTES])
            && matches!(self.stream, Transport::Plain(_))
            && self.listener.listener.http2_prior_knowledge
    }

    /// Serves the request whose head lies at the front of the input. `Some` ends the connection or
    /// its turn.
    async fn serve_one(
        &self,
        work: &mut Work<'_>,
        head_bytes: usize,
        limits: &Limits,
    ) -> Option<Next> {
        let head_end = work.start + head_bytes;
        let parsed =
            work.head.parse(&work.buffers.input[work.start..head_end], &head_limits(limits));
        if let Err(fault) = parsed {
            return Some(self.refuse(work, fault, None));
        }
        if let Err(fault) = self.rate.admit(work.at, limits) {
            return Some(self.refuse(work, fault, Some(head_end)));
        }
        if let Err(next) = self.complete_small_body(work, head_end, limits).await {
            return Some(next);
        }
        self.requests_count.set(self.requests_count.get() + 1);
        self.answer_started.set(false);
        let (before, after) = work.buffers.input.split_at_mut(work.start + head_bytes);
        let request = Request {
            head: &work.head,
            bytes: &before[work.start..],
            id: self.state.next_request_id(),
            started: work.at,
        };
        let mut body = RequestBody {
            framing: work.head.framing,
            early: after,
            awaits_continue: work.head.expect_continue,
            bytes_max: limits.body_bytes_max,
            fate: BodyFate::Untouched,
            chunked_bytes: 0,
            chunked_end: Cell::new(None),
            collected: None,
        };
        let requests_max = limits.requests_per_connection_max;
        let client = Client {
            link: ClientLink::Http1(Http1Link {
                stream: &self.stream,
                may_persist: requests_max == 0 || self.requests_count.get() < requests_max,
                waiting_bytes: &self.waiting_bytes,
                must_reset: &self.must_reset,
            }),
            tls: self.stream.tls(),
            deadline: &self.deadline,
            peer: self.peer.get(),
            listener: &self.listener,
            write_timeout: Nanos::from_millis(limits.write_timeout_ms),
            answer_started: &self.answer_started,
        };
        let served =
            serve(&self.state, &client, &request, &mut body, &mut work.buffers.output).await;
        work.at = served.ended;
        work.answers_count += 1;
        self.waiting_bytes.set(work.buffers.output.len());
        let RequestBody { fate, chunked_end, .. } = body;
        if let BodyFate::Uploading(upload) = &fate {
            self.upload.replace(Some(Rc::clone(upload)));
        }
        if !served.goes_on {
            let has_body = work.head.framing != BodyFraming::None;
            return Some(if has_body { Next::Linger } else { Next::Close });
        }
        self.step_over_body(work, head_end, fate, chunked_end.get()).await
    }

    /// Moves the input behind the body of the request that was just served.
    async fn step_over_body(
        &self,
        work: &mut Work<'_>,
        head_end: usize,
        fate: BodyFate,
        chunked_end: Option<usize>,
    ) -> Option<Next> {
        work.scanner = HeadScanner::new();
        work.head_since = None;
        work.start = head_end;
        match fate {
            BodyFate::TakenWhole(surplus) => {
                work.buffers.input.clear();
                work.buffers.input.extend_from_slice(&surplus);
                work.start = 0;
                None
            }
            BodyFate::Abandoned | BodyFate::Uploading(_) => Some(Next::Linger),
            BodyFate::Untouched => match work.head.framing {
                BodyFraming::None | BodyFraming::UntilClose => None,
                BodyFraming::Length(length) => self.skip_length(work, length).await.err(),
                // It lies whole in the input, or the answer would have closed the connection.
                BodyFraming::Chunked => match chunked_end {
                    Some(bytes) => {
                        work.start += bytes;
                        None
                    }
                    None => Some(Next::Linger),
                },
            },
        }
    }

    /// Skips a body of known length, reading the rest of it if need be; answers that wait are sent
    /// first.
    async fn skip_length(&self, work: &mut Work<'_>, length: u64) -> Result<(), Next> {
        let early = (work.buffers.input.len() - work.start) as u64;
        if length <= early {
            work.start += usize::try_from(length).unwrap_or(usize::MAX);
            return Ok(());
        }
        debug_assert!(length - early <= DISCARD_BYTES_MAX);
        self.flush(work).await?;
        let mut left = length - early;
        work.start = 0;
        while left > 0 {
            work.buffers.input.clear();
            self.deadline.set_read(work.at.plus(DISCARD_TIMEOUT));
            let bytes_max = usize::try_from(left).unwrap_or(usize::MAX);
            let input = std::mem::take(&mut work.buffers.input);
            let (result, input) = self.stream.read_append_up_to(input, bytes_max).await;
            work.buffers.input = input;
            match result {
                Ok(count) if count > 0 => left -= count as u64,
                _ => {
                    self.count_passed(DeadlineKind::Body);
                    return Err(Next::Close);
                }
            }
        }
        work.buffers.input.clear();
        work.at = now();
        Ok(())
    }

    /// Reads a short body to its end before the request is served, so that it can be sent again
    /// should a target fail.
    async fn complete_small_body(
        &self,
        work: &mut Work<'_>,
        head_end: usize,
        limits: &Limits,
    ) -> Result<(), Next> {
        let BodyFraming::Length(length) = work.head.framing else {
            return Ok(());
        };
        let early = work.buffers.input.len() - head_end;
        if length <= early as u64 || length > SMALL_BODY_BYTES || work.head.expect_continue {
            return Ok(());
        }
        self.flush(work).await?;
        let body_bytes = usize::try_from(length).unwrap_or(usize::MAX);
        let end = head_end + body_bytes;
        if end > work.buffers.input.capacity() {
            work.buffers.input.reserve(end - work.buffers.input.len());
        }
        while work.buffers.input.len() < end {
            let due = now().plus(Nanos::from_millis(limits.body_timeout_ms));
            self.deadline.set_read(due);
            let input = std::mem::take(&mut work.buffers.input);
            let (result, input) = self.stream.read_append(input).await;
            work.buffers.input = input;
            if !matches!(result, Ok(count) if count > 0) {
                return Err(self.end_of_input(work, DeadlineKind::Body, Some(head_end)));
            }
        }
        Ok(())
    }
}

/// The part of the preface that ends as a head does.
const PREFACE_HEAD_BYTES: usize = PREFACE.len() - "SM\r\n\r\n".len();
