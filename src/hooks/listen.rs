//! Where a little program listens, and how it ends.

use std::net::{Ipv6Addr, SocketAddr};

use anyhow::Context as _;
use axum::Router;
use clap::{Args, Parser};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::runtime::{arguments, signals};
use crate::serve::server::serve;

/// Settings of every little program.
#[derive(Debug, Args)]
pub(super) struct Listen {
    /// Address and port
    #[arg(long, env = "LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Port, on every address
    #[arg(long, env = "PORT", default_value_t = 9001)]
    port: u16,
}

/// The settings of a little program; what is wrong with them ends it.
pub(super) fn parse<S: Parser>() -> S {
    let matches = arguments::command::<S>().get_matches();
    S::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

impl Listen {
    async fn bind(&self) -> std::io::Result<TcpListener> {
        if let Some(address) = self.listen {
            return TcpListener::bind(address).await;
        }
        match TcpListener::bind((Ipv6Addr::UNSPECIFIED, self.port)).await {
            Err(error) if error.kind() != std::io::ErrorKind::AddrInUse => {
                // A machine without IPv6.
                TcpListener::bind(("0.0.0.0", self.port)).await
            }
            bound => bound,
        }
    }

    /// Serves until SIGINT or SIGTERM.
    pub(super) async fn serve(&self, router: Router) -> anyhow::Result<()> {
        let stop = signals::stop().context("listening to signals")?;
        let at = match self.listen {
            Some(address) => address.to_string(),
            None => format!("port {}", self.port),
        };
        let listening = self.bind().await;
        let listener = listening.with_context(|| {
            format!("cannot listen on {at}; LISTEN or PORT chooses another address")
        })?;
        info!("listening on {}", listener.local_addr()?);
        let token = CancellationToken::new();
        let serving = serve(listener, None, router, token.clone());
        let stopping = async {
            stop.await;
            token.cancel();
        };
        tokio::join!(serving, stopping);
        Ok(())
    }
}
