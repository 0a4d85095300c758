//! The API of a lokahid, in this process and over a database of its own.

use std::sync::Arc;
use std::time::Duration;

use lokahi::api::{ApiSettings, ApiState, MetricsPage, Troubles, router};
use lokahi::bus::{Bus, BusSettings};
use lokahi::client::Client;
use lokahi::runtime::supervisor::Supervisor;
use lokahi::serve::server;
use lokahi::store::Store;
use serde_json::Value;
use tokio::net::TcpListener;

use super::servers::servers;
use super::until;

/// A serving API; it stops when this is dropped.
pub(crate) struct Server {
    /// With user and password, if it wants them.
    pub(crate) url: String,
    pub(crate) base: String,
    pub(crate) store: Store,
    pub(crate) bus: Bus,
    pub(crate) http: reqwest::Client,
    supervisor: Supervisor,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `status code argument`, of a refusal.
    pub(crate) fn refusal(&self) -> String {
        let json = self.json();
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let (code, argument) = (text(&json["code"]), text(&json["meta"]["argument"]));
        format!("{} {code} {argument}", self.status)
    }
}

impl Server {
    /// One with the administrator `ada:se:cret`.
    pub(crate) async fn guarded() -> Self {
        let settings = ApiSettings {
            userpass: Some("ada:se:cret".to_owned()),
            ..ApiSettings::default()
        };
        Self::start_with(settings, &servers().nats_url).await
    }

    /// One that asks for no password.
    pub(crate) async fn start() -> Self {
        Self::start_with(ApiSettings::default(), &servers().nats_url).await
    }

    pub(crate) async fn start_with(settings: ApiSettings, nats_url: &str) -> Self {
        let store = Store::lazy(&servers().database().await, 4).unwrap();
        let settings_of_bus = BusSettings {
            url: nats_url.to_owned(),
            credentials: None,
            name: "story".to_owned(),
        };
        let bus = Bus::connect(&settings_of_bus).await.unwrap();
        until("NATS is connected", async || bus.is_connected()).await;
        let userpass = settings.userpass.clone();
        let metrics: MetricsPage = Arc::new(|out| out.write_str("# EOF\n"));
        let (store_too, bus_too) = (store.clone(), bus.clone());
        let troubles = Troubles::default();
        let state = ApiState::new(store_too, bus_too, &settings, metrics, troubles).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let supervisor = Supervisor::new();
        let serving = server::serve(listener, None, router(state), supervisor.token());
        supervisor.spawn("api", serving);
        Self {
            url: match userpass {
                Some(userpass) => format!("http://{userpass}@{address}"),
                None => format!("http://{address}"),
            },
            base: format!("http://{address}"),
            store,
            bus,
            http: http(),
            supervisor,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.url).unwrap()
    }

    /// POSTs JSON to `SERVICE/METHOD` of the package `github.xe.lokahi`.
    pub(crate) async fn json(&self, method: &str, body: &str) -> Answer {
        let url = format!("{}/twirp/github.xe.lokahi.{method}", self.url);
        let call = self
            .http
            .post(url)
            .header("content-type", "application/json");
        answer(call.body(body.to_owned())).await
    }

    /// A new token with these scopes.
    pub(crate) async fn token(&self, name: &str, scopes: &[&str]) -> String {
        let body = serde_json::json!({"name": name, "scopes": scopes}).to_string();
        let made = self.good("Tokens/Create", &body).await;
        made["text"].as_str().unwrap().to_owned()
    }

    /// The same as `json`, by whoever has a token.
    pub(crate) async fn json_by(&self, token: &str, method: &str, body: &str) -> Answer {
        let url = format!("{}/twirp/github.xe.lokahi.{method}", self.base);
        let call = self.http.post(url).bearer_auth(token);
        let call = call.header("content-type", "application/json");
        answer(call.body(body.to_owned())).await
    }

    /// The JSON of an answer that is no refusal.
    pub(crate) async fn good(&self, method: &str, body: &str) -> Value {
        let answer = self.json(method, body).await;
        assert_eq!(answer.status, 200, "{}", answer.json());
        answer.json()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.supervisor.token().cancel();
    }
}

pub(crate) async fn answer(call: reqwest::RequestBuilder) -> Answer {
    let answer = call.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer.bytes().await.unwrap().into(),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a story speaks HTTP as strangers do"
)]
pub(crate) fn http() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}
