//! An nginx of a story: one process, on a port of its own, with what the story configures.

use lokahi::model::check::CheckSpec;

use super::super::check;
use super::authority::Identity;
use crate::support::folder::Folder;
use crate::support::peer::{Peer, Sign};
use crate::support::stranger::stranger;
use crate::support::until;

/// One process, so that whoever ends it ends all of it.
const AROUND: &str = "
daemon off;
master_process off;
pid nginx.pid;
error_log error.log warn;
events { worker_connections 512; }
http {
  # What a request was, one line for each, once it is over.
  log_format seen '$request|$status|whole=$request_completion|reused=$ssl_session_reused'
    '|nth=$connection_requests|tls=$ssl_protocol|sni=$ssl_server_name'
    '|client=$ssl_client_verify|agent=$http_user_agent|check=$http_x_lokahi_check'
    '|connection=$http_connection|body=$request_body';
  access_log access.log seen;
  ssl_protocols TLSv1.2 TLSv1.3;
  client_body_buffer_size 128k;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  default_type text/plain;
  root site;
";

/// A running nginx.
pub(super) struct Nginx(Peer);

impl Nginx {
    /// With these servers, in which `@port@` stands for its port; `site/` in the folder is what
    /// it serves, and there are `cert.pem` and `key.pem` if it has an identity.
    pub(super) async fn start(
        servers: &str,
        files: &[(&str, &[u8])],
        identity: Option<&Identity>,
    ) -> Self {
        let folder = Folder::new();
        std::fs::create_dir(folder.path().join("site")).unwrap();
        for (name, bytes) in files {
            folder.write(&format!("site/{name}"), bytes);
        }
        if let Some(identity) = identity {
            identity.write(&folder);
        }
        let nginx = |folder: &Folder, port: u16| {
            let servers = servers.replace("@port@", &port.to_string());
            // Root would give its folders away, in a user namespace to whom it does not know.
            let user = match nix::unistd::geteuid().is_root() {
                true => "user root;",
                false => "",
            };
            folder.write("nginx.conf", format!("{user}{AROUND}{servers}\n}}\n"));
            let mut command = stranger("nginx");
            let own = folder.path().to_str().unwrap();
            command.args(["-p", own, "-c", "nginx.conf", "-e", "error.log"]);
            command
        };
        Self(Peer::start(folder, Sign::Makes("nginx.pid"), nginx).await)
    }

    pub(super) fn port(&self) -> u16 {
        self.0.port
    }

    pub(super) fn http(&self, path: &str) -> CheckSpec {
        check(&format!("http://127.0.0.1:{}{path}", self.port()))
    }

    pub(super) fn https(&self, path: &str) -> CheckSpec {
        check(&format!("https://localhost:{}{path}", self.port()))
    }

    /// The lines of this many requests.
    pub(super) async fn seen(&self, requests: usize) -> Vec<String> {
        let lines = || -> Vec<String> {
            let text = self.0.folder.read("access.log");
            text.lines().map(str::to_owned).collect()
        };
        until("nginx has seen the requests", async || {
            lines().len() >= requests
        })
        .await;
        lines()
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        self.0.folder.write(name, text);
    }

    /// What it has to complain of.
    pub(super) fn complaints(&self) -> String {
        self.0.folder.read("error.log")
    }
}
