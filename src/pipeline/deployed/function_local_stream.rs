//! Streamed answers of functions that run on this machine: the body of what the runtime sends.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::Failed;
use super::function_stream::AnswerPieces;
use crate::base::{Fault, Nanos};
use crate::lambda::function_error;
use crate::rt::{Deadline, Deadlines, now};
use crate::runtime::{BodyEnd, FunctionAnswer, StreamedAnswer};

/// The pieces that a runtime sends.
pub(super) struct LocalPieces {
    answer: Answer,
    alarm: Deadline,
    idle_timeout: Nanos,
    /// When the integration's time is up.
    due: Nanos,
}

enum Answer {
    /// It came whole, and was not taken yet.
    Whole(Vec<u8>),
    Taken,
    Streamed(StreamedAnswer),
}

impl LocalPieces {
    pub(super) fn new(
        answer: FunctionAnswer,
        deadlines: &Deadlines,
        idle_timeout: Nanos,
        due: Nanos,
    ) -> Self {
        let answer = match answer {
            FunctionAnswer::Whole(body) => Answer::Whole(body),
            FunctionAnswer::Streamed(answer) => Answer::Streamed(answer),
        };
        Self { answer, alarm: deadlines.alarm(), idle_timeout, due }
    }
}

impl AnswerPieces for LocalPieces {
    async fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, Failed> {
        let answer = match &mut self.answer {
            Answer::Streamed(answer) => answer,
            Answer::Taken => return Ok(false),
            Answer::Whole(body) => {
                piece.append(body);
                self.answer = Answer::Taken;
                return Ok(true);
            }
        };
        self.alarm.set(now().plus(self.idle_timeout).min(self.due));
        let is_more = {
            let mut next = pin!(answer.next(piece));
            poll_fn(|context| match next.as_mut().poll(context) {
                Poll::Ready(is_more) => Poll::Ready(Some(is_more)),
                Poll::Pending => self.alarm.poll_passed(context).map(|()| None),
            })
            .await
        };
        match is_more {
            None => Err(Fault::UpstreamTimeout.into()),
            Some(true) => Ok(true),
            Some(false) => match answer.end() {
                BodyEnd::Whole => Ok(false),
                BodyEnd::Broken => {
                    let reason = "the runtime ended before its answer";
                    Err(Failed::because(Fault::FunctionFailed, reason))
                }
                BodyEnd::FunctionFailed { error_type, error } => {
                    let error = function_error(&error).map(|error| error.to_string());
                    let reason = error.unwrap_or(error_type);
                    let reason = format!("the function failed: {reason}");
                    Err(Failed::because(Fault::FunctionFailed, reason))
                }
            },
        }
    }
}
