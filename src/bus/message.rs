//! Decoded messages of a subscription. One that cannot be read is dropped and
//! logged: whoever sent it is not one of us.

use futures_util::FutureExt as _;
use tracing::warn;

use super::{BusError, next};
use crate::proto::lokahi;

type Decode<T> = fn(&[u8], Option<String>) -> Result<T, BusError>;

/// A subscription, decoded.
#[derive(Debug)]
pub struct Feed<T> {
    messages: async_nats::Subscriber,
    decode: DecodeWith<T>,
}

#[derive(Debug)]
enum DecodeWith<T> {
    Bytes(fn(&[u8]) -> Result<T, BusError>),
    Reply(Decode<T>),
}

/// A single probe that somebody asks for.
#[derive(Debug)]
pub struct SingleRequest {
    pub check: lokahi::Check,
    pub(super) reply_to: Option<String>,
}

impl<T> Feed<T> {
    pub(super) fn new(
        messages: async_nats::Subscriber,
        decode: fn(&[u8]) -> Result<T, BusError>,
    ) -> Self {
        Self {
            messages,
            decode: DecodeWith::Bytes(decode),
        }
    }

    pub(super) fn with_reply(messages: async_nats::Subscriber, decode: Decode<T>) -> Self {
        Self {
            messages,
            decode: DecodeWith::Reply(decode),
        }
    }

    /// A message that is there already, without waiting.
    pub fn take_ready(&mut self) -> Option<T> {
        self.next().now_or_never().flatten()
    }

    /// The next message that can be read; `None` when the client has ended.
    /// It may be dropped and called again without losing a message.
    pub async fn next(&mut self) -> Option<T> {
        loop {
            let message = next(&mut self.messages).await?;
            let decoded = match &self.decode {
                DecodeWith::Bytes(decode) => decode(&message.payload),
                DecodeWith::Reply(decode) => decode(
                    &message.payload,
                    message.reply.map(|subject| subject.to_string()),
                ),
            };
            match decoded {
                Ok(value) => return Some(value),
                Err(error) => warn!(
                    subject = %message.subject,
                    error = &error as &dyn std::error::Error,
                    "dropped a message"
                ),
            }
        }
    }
}

/// Waits for a hint; for ever, once the feed has ended or when there is none:
/// whoever waits looks by itself from time to time, too.
pub async fn woken(hints: &mut Option<Feed<()>>) {
    if let Some(feed) = hints
        && feed.next().await.is_some()
    {
        return;
    }
    *hints = None;
    std::future::pending().await
}
