//! The library of Standard Webhooks for Python, which nobody here wrote: what it says of what a
//! receiver got.

use std::env;
use std::io::Write as _;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lokahi::services::folder::default_cache_dir;

/// As in `xtask/src/wheels.rs`.
const FOLDER: &str = "test-standardwebhooks-1.1.0";

/// Reads a message from standard input and says of it what the library says. That takes text
/// alone: of bytes, it signs what stands in the place of the text; all else is its own.
const SCRIPT: &str = r#"
import base64, json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError, hmac_data

class OfBytes(Webhook):
    def sign(self, *, msg_id, timestamp, data):
        signed = f"{msg_id}.{int(timestamp.timestamp())}.".encode() + self.body
        return "v1," + base64.b64encode(hmac_data(self._whsecret, signed)).decode()

message = json.load(sys.stdin)
body = base64.b64decode(message["body"])
try:
    if message["headers"].get("content-type") == "application/json":
        told = Webhook(message["secret"]).verify(body, message["headers"])
        print("verified " + told["type"])
    else:
        webhook = OfBytes(message["secret"])
        webhook.body = body
        webhook.verify("", message["headers"], json_parse=False)
        print("verified")
except WebhookVerificationError as error:
    print(error)
"#;

/// `verified` and the type, where it is JSON; or why not.
pub(crate) fn verify(secret: &str, headers: &[(String, String)], body: &[u8]) -> String {
    let cache = env::var_os("CACHE_DIR").map_or_else(|| default_cache_dir().unwrap(), Into::into);
    let library = cache.join(FOLDER);
    assert!(
        library.is_dir(),
        "{FOLDER} is not in the cache: `cargo xtask test` fetches it and runs the tests"
    );
    let headers: serde_json::Map<String, serde_json::Value> = headers
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let message = serde_json::json!({
        "secret": secret,
        "headers": headers,
        "body": STANDARD.encode(body),
    });
    let mut python = Command::new("python3")
        .args(["-B", "-c", SCRIPT])
        .env("PYTHONPATH", library)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    input.write_all(message.to_string().as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
