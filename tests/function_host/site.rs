//! A host whose shards are mailboxes that a test reads.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use shardgate::coord::{
    FunctionBoard, HostMessage, LocalFunction, Receiver, RuntimeConnection, RuntimeProcess,
    ShardMessage, mailbox,
};
use shardgate::function::{
    DefinitionSource, FunctionDefinition, FunctionProgram, HandlerCode, Host, HostOptions,
};
use shardgate::model::FunctionName;
use tokio::net::UnixStream;

use crate::runtime_api::{PATIENCE, Runtime};

pub(crate) struct Site {
    pub(crate) host: Host,
    pub(crate) board: Arc<FunctionBoard>,
    shards: Vec<Receiver<ShardMessage>>,
}

impl Site {
    /// Two shards, and these functions of the boot file.
    pub(crate) fn start(definitions: Vec<FunctionDefinition>) -> Self {
        let (board, messages) = FunctionBoard::new(2);
        let board = Arc::new(board);
        let capacity = NonZeroUsize::new(4).expect("not zero");
        let mailboxes = (0..2).map(|_| mailbox(capacity).expect("a mailbox"));
        let (senders, shards): (Vec<_>, Vec<_>) = mailboxes.unzip();
        let mut options = HostOptions::new("us-east-1");
        options.keeper = env!("CARGO_BIN_EXE_shardgate").into();
        let host = Host::start(options, Arc::clone(&board), messages, senders.into());
        host.set_concurrency(10);
        host.set_definitions(DefinitionSource::BootFile, definitions);
        Self { host, board, shards }
    }

    pub(crate) fn find(&self, name: &str) -> Arc<LocalFunction> {
        self.board.find(name).expect("it is bound")
    }

    /// A call waits on `shard`.
    pub(crate) fn ask_for(&self, name: &str, shard: usize) {
        let function = self.find(name);
        let place = function.take_place().expect("a place is free");
        function.tell_host(HostMessage::Start { function: Arc::clone(&function), place, shard });
    }

    /// The next message to a shard.
    pub(crate) async fn next(&self, shard: usize) -> ShardMessage {
        let mail = &self.shards[shard];
        let wake = UnixStream::from_std(mail.wake_stream().expect("a stream")).expect("a stream");
        let message = async {
            loop {
                if let Some(message) = mail.pop() {
                    return message;
                }
                if mail.lie_down() {
                    wake.readable().await.expect("readable");
                    let _ = wake.try_read(&mut [0; 64]);
                }
                mail.get_up();
            }
        };
        tokio::time::timeout(PATIENCE, message).await.expect("a message")
    }

    /// The connection of a process that was asked for.
    pub(crate) async fn connected(&self, shard: usize) -> (Arc<RuntimeProcess>, Runtime) {
        match self.next(shard).await {
            ShardMessage::Runtime(connection) => {
                let RuntimeConnection { process, fd, .. } = *connection;
                (process, Runtime::over(fd.into()))
            }
            other => panic!("{other:?}"),
        }
    }

    /// Why no process could be started.
    pub(crate) async fn start_failed(&self, shard: usize) -> Arc<str> {
        match self.next(shard).await {
            ShardMessage::StartFailed { reason, .. } => reason,
            other => panic!("{other:?}"),
        }
    }

    /// Why a process ended, which all shards are told.
    pub(crate) async fn ended(&self) -> Arc<str> {
        let mut reasons = Vec::new();
        for shard in 0..2 {
            match self.next(shard).await {
                ShardMessage::RuntimeEnded { process, reason } => {
                    assert!(process.has_ended());
                    reasons.push(reason);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(reasons[0], reasons[1]);
        reasons.remove(0)
    }

    /// Waits until no process of a function has a place.
    pub(crate) async fn places_are_free(&self, name: &str) {
        let function = self.find(name);
        let all_free = async {
            loop {
                let places: Vec<_> = (0..10).map_while(|_| function.take_place()).collect();
                if places.len() == 10 {
                    return;
                }
                drop(places);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, all_free).await.expect("the places are free");
    }
}

/// Does what blocks beside the host.
pub(crate) async fn beside<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(act).await.expect("no panic")
}

pub(crate) fn shell(name: &str, script: &str) -> FunctionDefinition {
    let words = ["sh", "-c", script].map(str::to_owned);
    let name = FunctionName::parse(name).expect("a name");
    FunctionDefinition::new(name, FunctionProgram::Command(words.into()))
}

pub(crate) fn handler(name: &str, folder: &Path) -> FunctionDefinition {
    let code = HandlerCode { folder: folder.to_owned(), handler: None, runtime: None };
    let name = FunctionName::parse(name).expect("a name");
    FunctionDefinition::new(name, FunctionProgram::Handler(code))
}
