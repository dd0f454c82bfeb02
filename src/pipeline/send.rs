//! Sends a request to a target: its head, what of the body is at hand, and the rest by an upload.

use std::rc::Rc;

use super::body::BodyFate;
use super::chunk_frames::{append_chunk, append_last_chunk};
use super::exchange::{Answer, Exchange, Failure, TryStage};
use super::forward::{Outbound, write_request_head};
use super::upload::{BodyLeft, Upload, UploadState, UploadTask};
use crate::base::{Fault, Nanos};
use crate::proto::{BodyFraming, ChunkedDecoder, FieldName};
use crate::rt::now;
use crate::upstream::{Connection, Lease, Outcome};

impl Exchange<'_, '_> {
    /// Sends the request on `connection` and reads the head of the final answer.
    pub(super) async fn send(
        &mut self,
        lease: &Lease,
        mut connection: Connection,
        at: Nanos,
    ) -> Result<Answer, Failure> {
        let state = self.state;
        connection.due_max = lease.due_max(at);
        let mut wire = state.head_buffers.take();
        let upgrade = self.wants_upgrade();
        let outbound = Outbound {
            request: self.request,
            client: self.client,
            proxy: self.proxy,
            spans: self.spans,
            routed_path: self.routed_path,
            forwarding: &self.plan.plan.forwarding,
            upgrade,
        };
        write_request_head(&mut wire, &outbound, |out| lease.write_host(out));
        let left = match self.append_early_body(&mut wire) {
            Ok(left) => left,
            Err(fault) => {
                state.head_buffers.put(wire);
                let stage = TryStage::Answering;
                return Err(Failure { fault, outcome: Outcome::Abandoned, stage });
            }
        };
        let timeout = Nanos::from_millis(self.proxy.timeout_ms);
        connection.set_due(at.plus(timeout));
        let (written, wire) = connection.stream.write_all(wire, 0).await;
        state.head_buffers.put(wire);
        // A target may answer and close before it has read everything: its answer counts.
        let sent_whole = written.is_ok();
        match left {
            Some(left) if sent_whole => self.start_upload(left, &connection, timeout).await?,
            Some(_) => self.body.fate = BodyFate::Abandoned,
            None => {}
        }
        self.read_answer(connection, sent_whole).await
    }

    pub(super) fn wants_upgrade(&self) -> bool {
        let head = self.request.head;
        // An Upgrade with a body would leave the body's bytes to be taken for the new protocol
        // (CVE-2026-58055); one to HTTP/2 would hide requests from the gateway.
        head.upgrade
            && head.framing == BodyFraming::None
            && head.fields.iter().filter(|field| field.known == FieldName::Upgrade).all(|field| {
                let value = field.value.of(self.request.bytes);
                !value.split(|byte| *byte == b',').any(|protocol| {
                    let protocol = protocol.trim_ascii().to_ascii_lowercase();
                    protocol.starts_with(b"h2")
                        || protocol.starts_with(b"http")
                        || protocol.starts_with(b"tls")
                })
            })
    }

    /// Appends what of the body came with the head; says what is still to come, if anything.
    fn append_early_body(&mut self, wire: &mut Vec<u8>) -> Result<Option<BodyLeft>, Fault> {
        match self.body.framing {
            BodyFraming::None | BodyFraming::UntilClose => Ok(None),
            BodyFraming::Length(length) => {
                let early = self.body.early.len() as u64;
                if let Some(whole) = self.body.whole_length() {
                    wire.extend_from_slice(&self.body.early[..whole]);
                    return Ok(None);
                }
                wire.extend_from_slice(self.body.early);
                Ok(Some(BodyLeft::Length(length - early)))
            }
            BodyFraming::Chunked => self.append_early_chunks(wire),
        }
    }

    /// Decodes a copy of the early bytes, so that a further try finds them as they came.
    fn append_early_chunks(&mut self, wire: &mut Vec<u8>) -> Result<Option<BodyLeft>, Fault> {
        let mut scratch = self.state.body_buffers.take();
        scratch.extend_from_slice(self.body.early);
        let mut decoder = ChunkedDecoder::new();
        let decoded = decoder.decode(&mut scratch);
        if let Ok(decoded) = &decoded {
            append_chunk(wire, &scratch[..decoded.payload_bytes]);
        }
        self.state.body_buffers.put(scratch);
        let decoded = decoded?;
        if decoded.payload_bytes as u64 > self.body.bytes_max {
            return Err(Fault::BodyTooLarge);
        }
        self.body.chunked_bytes = decoded.payload_bytes as u64;
        if decoded.done {
            self.body.chunked_end.set(Some(decoded.consumed_bytes));
            append_last_chunk(wire, decoder.trailers());
            return Ok(None);
        }
        let left_max = self.body.bytes_max - decoded.payload_bytes as u64;
        Ok(Some(BodyLeft::Chunked { decoder: Box::new(decoder), left_max }))
    }

    /// Lets a second task send the rest of the body while this one waits for the answer.
    async fn start_upload(
        &mut self,
        left: BodyLeft,
        connection: &Connection,
        timeout: Nanos,
    ) -> Result<(), Failure> {
        self.body.fate = BodyFate::Abandoned;
        if self.body.awaits_continue {
            let interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
            let (result, _) = self.client.write(interim, 0, now()).await;
            result.map_err(|fault| Failure {
                fault,
                outcome: Outcome::Abandoned,
                stage: TryStage::Answering,
            })?;
        }
        let task = UploadTask {
            state: Rc::clone(self.state),
            client: self.client.stream.clone(),
            client_deadline: self.state.deadlines.watch(self.client.stream.raw_fd()),
            body_timeout: Nanos::from_millis(self.plan.plan.limits.body_timeout_ms),
            target: connection.stream.clone(),
            target_deadline: connection.deadline.mover(),
            target_timeout: timeout,
            target_due_max: connection.due_max,
            left,
        };
        self.body.fate = BodyFate::Uploading(task.start());
        Ok(())
    }

    pub(super) fn upload(&self) -> Option<&Upload> {
        match &self.body.fate {
            BodyFate::Uploading(upload) => Some(upload),
            BodyFate::Untouched | BodyFate::TakenWhole(_) | BodyFate::Abandoned => None,
        }
    }

    /// Why the client's part failed, if it did.
    pub(super) fn upload_fault(&self) -> Option<Fault> {
        match self.upload()?.state() {
            UploadState::Failed(fault) => Some(fault),
            UploadState::Running | UploadState::Done | UploadState::Refused => None,
        }
    }

    /// Whether nothing of the body is left to be sent.
    pub(super) fn is_body_sent(&self) -> bool {
        match &self.body.fate {
            BodyFate::Untouched | BodyFate::TakenWhole(_) => true,
            BodyFate::Uploading(upload) => upload.state() == UploadState::Done,
            BodyFate::Abandoned => false,
        }
    }
}
