//! The servers of the comparison, in a network and with name servers of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;

use super::super::super::site::{Site, drip, request};
use super::super::authority::{Authority, Identity, SINCE, UNTIL, openssl};
use super::super::names::{BOGUS, dnsmasq, dnsmasq_at};
use super::super::namespace::{filter, run};
use super::super::site::Nginx;
use crate::support::folder::Folder;
use crate::support::peer::{Peer, Sign};
use crate::support::stranger::stranger;

const NGINX: &str = "
server {
  listen 127.0.0.1:@port@;
  listen 127.0.0.1:83;
  location /status/ {
    location /status/200 { return 200 'fine'; }
    location /status/201 { return 201 'made'; }
    location /status/204 { return 204; }
    location /status/500 { return 500; }
    location /status/503 { return 503; }
  }
  location /moved/301 { return 301 /status/200; }
  location /moved/302 { return 302 http://one.test:@port@/status/200; }
  location /moved/307 { return 307 /moved/308; }
  location /moved/308 { return 308 /status/503; }
  location /circle { return 302 /circle; }
  location /spiral { return 302 $request_uri/spiral; }
  location /gopher { return 302 gopher://localhost/; }
  location /closed { return 444; }
  location /packed/ { alias site/; gzip on; gzip_types *; gzip_min_length 1; }
  location /chunks/ { alias site/; ssi on; ssi_types *; }
  location /slow/ { alias site/; limit_rate 32k; }
  location /drip/ { alias site/; limit_rate 1k; }
  location /locked { auth_basic 'here'; auth_basic_user_file users; }
  location /take { proxy_pass http://127.0.0.1:@port@/taken; }
  location /taken { return 200 'took $request_method $content_length'; }
";

const SECURE: &str = "
server {
  listen 127.0.0.1:@port@ ssl http2;
  ssl_certificate cert.pem;
  ssl_certificate_key key.pem;
  return 200 'fine';
}";

const NAMES: &str = "
local=/test/
host-record=site.test,127.0.0.1
host-record=both.test,127.0.0.1,::1
cname=one.test,two.test
cname=two.test,site.test
txt-record=text.test,no address
";

/// Everything runs until this is dropped.
pub(super) struct Ground {
    /// What stands for `{name}` in the targets.
    pub(super) places: BTreeMap<&'static str, String>,
    /// What both read: the authority, the certificate that is shown, and its key.
    pub(super) folder: Folder,
    _nginx: [Nginx; 2],
    _peers: Vec<Peer>,
    _odd: Site,
    _slow: JoinSet<()>,
}

impl Ground {
    pub(super) async fn lay() -> Self {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let identity = ours.identity("DNS:site.test");
        let mut places = BTreeMap::new();
        let folder = Folder::new();
        folder.write("ours.pem", ours.pem());
        let client = ours.identity("DNS:lokahi");
        folder.write("client.pem", &client.certificate);
        folder.write("client", &client.key);
        folder.write("sesame", "open sesame");
        folder.write("barley", "open barley");
        places.insert("folder", folder.path().display().to_string());

        let nginx = plain_nginx().await;
        places.insert("nginx", nginx.port().to_string());
        let secure = Nginx::start(SECURE, &[], Some(&identity)).await;
        places.insert("secure", secure.port().to_string());

        let mut peers = Vec::new();
        let ended = ours.identity_between("DNS:site.test", SINCE, "20210101000000Z");
        let early = ours.identity_between("DNS:site.test", "20990101000000Z", UNTIL);
        let other = ours.identity("DNS:example.com,DNS:example.org");
        let weak = "DEFAULT@SECLEVEL=0";
        for (name, identity, arguments) in [
            ("tls12", &identity, &["-tls1_2"][..]),
            ("tls13", &identity, &["-tls1_3"]),
            ("tls11", &identity, &["-tls1_1", "-cipher", weak]),
            ("expired", &ended, &[]),
            ("early", &early, &[]),
            ("name", &other, &[]),
            ("self", &ours.self_signed("DNS:site.test"), &[]),
            ("theirs", &theirs.identity("DNS:site.test"), &[]),
            ("client", &identity, CLIENT),
        ] {
            let peer = s_server(identity, &ours, arguments).await;
            places.insert(name, peer.port.to_string());
            peers.push(peer);
        }
        for (name, secure) in [("h2", true), ("h2c", false)] {
            let peer = nghttpd(&identity, secure).await;
            places.insert(name, peer.port.to_string());
            peers.push(peer);
        }

        let odd = Site::start(odd).await;
        places.insert("odd", odd.address.port().to_string());
        let mut slow = JoinSet::new();
        peers.extend(name_servers(&mut slow).await);
        filter(
            "tcp dport 81 counter name hit drop\n\
             tcp dport 82 reject with icmp type admin-prohibited\n\
             tcp dport 83 numgen inc mod 5 == 0 drop\n\
             udp dport 5399 drop",
        );
        Self {
            places,
            folder,
            _nginx: [nginx, secure],
            _peers: peers,
            _odd: odd,
            _slow: slow,
        }
    }

    /// A text with the places in it.
    pub(super) fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, place) in &self.places {
            text = text.replace(&format!("{{{name}}}"), place);
        }
        text
    }
}

async fn plain_nginx() -> Nginx {
    let mut page = b"all is well, and so it goes on\n".repeat(40_000 / 31);
    page.extend_from_slice(b"the very end");
    let mut large = b"all is well, and so it goes on\n".repeat((8 << 20) / 31);
    large.extend_from_slice(b"the very end");
    let mut servers = NGINX.to_owned();
    for step in 0..10 {
        let to = step + 1;
        servers.push_str(&format!(
            "location = /steps/{step} {{ return 302 /steps/{to}; }}\n"
        ));
    }
    servers.push_str("location = /steps/10 { return 200 'there'; }\n}\n");
    let files = [
        ("page", &page[..]),
        ("large", &large),
        ("locked", b"treasure"),
    ];
    let nginx = Nginx::start(&servers, &files, None).await;
    nginx.write("users", "ali:{PLAIN}open sesame\n");
    nginx
}

const CLIENT: &[&str] = &[
    "-tls1_3",
    "-Verify",
    "1",
    "-verify_return_error",
    "-verifyCAfile",
    "clients.pem",
];

async fn s_server(identity: &Identity, clients: &Authority, arguments: &[&str]) -> Peer {
    let folder = Folder::new();
    identity.write(&folder);
    folder.write("clients.pem", clients.pem());
    let server = |_: &Folder, port: u16| {
        let mut command = openssl();
        command
            .args(["s_server", "-accept", &format!("127.0.0.1:{port}"), "-www"])
            .args(["-cert", "cert.pem", "-key", "key.pem"])
            .args(arguments);
        command
    };
    Peer::start(folder, Sign::Says("ACCEPT"), server).await
}

async fn nghttpd(identity: &Identity, secure: bool) -> Peer {
    let folder = Folder::new();
    folder.write("index.html", "fine");
    identity.write(&folder);
    let server = |_: &Folder, port: u16| {
        let mut command = stranger("nghttpd");
        command.args(["--verbose", "--address", "127.0.0.1"]);
        match secure {
            true => command.args([&port.to_string(), "key.pem", "cert.pem"]),
            false => command.args(["--no-tls", &port.to_string()]),
        };
        command
    };
    Peer::start(folder, Sign::Says("listen 127.0.0.1"), server).await
}

/// The name server of this network, and those behind it.
async fn name_servers(tasks: &mut JoinSet<()>) -> Vec<Peer> {
    let bogus = dnsmasq("local=/test/\nhost-record=bogus.test,127.0.0.1\n").await;
    let slow = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let names = format!(
        "{NAMES}{BOGUS}server=/bogus.test/127.0.0.1#{}\nserver=/slow.test/127.0.0.1#{}\n\
         server=/silent.test/127.0.0.1#5399\n",
        bogus.port,
        slow.local_addr().unwrap().port()
    );
    tasks.spawn(late(slow));
    let server = dnsmasq_at(Some(53), &names).await;
    server.folder.write("resolv.conf", "nameserver 127.0.0.1\n");
    let ours = server.folder.path().join("resolv.conf");
    run(stranger("mount")
        .arg("--bind")
        .arg(ours)
        .arg("/etc/resolv.conf"));
    // It has nothing to read again.
    server.signal(Signal::SIGHUP);
    vec![bogus, server]
}

/// Answers each question after half a second: 127.0.0.1, or no address (RFC 1035, section 4.1).
async fn late(socket: UdpSocket) {
    let mut buffer = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let mut answer = buffer[..length].to_vec();
        // Where the name ends, its type stands.
        let end = 12 + answer[12..].iter().position(|byte| *byte == 0).unwrap();
        let wants_v4 = answer[end + 1..end + 3] == [0, 1];
        answer.truncate(end + 5);
        answer[2] = 0x84;
        answer[3] = 0x80;
        answer[6..12].copy_from_slice(&[0, u8::from(wants_v4), 0, 0, 0, 0]);
        if wants_v4 {
            answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 1]);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        socket.send_to(&answer, from).await.unwrap();
    }
}

/// A site that answers each path in its own odd way.
async fn odd(mut stream: TcpStream) {
    let asked = request(&mut stream).await;
    let path = asked.split_whitespace().nth(1).unwrap_or_default();
    let huge;
    let answer: &[u8] = match path {
        "/status/999" => b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n",
        "/hints" => {
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n\
              HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfine"
        }
        "/gzip" => {
            huge = packed(b"all is well");
            &huge
        }
        "/bad_gzip" => {
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\
              Connection: close\r\n\r\nall well"
        }
        "/drip" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nX: ").await.ok();
            return drip(&mut stream).await;
        }
        "/silent" => return std::future::pending().await,
        "/reset" => return stream.set_zero_linger().unwrap(),
        "/half" => b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of it",
        "/half_chunk" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf of it",
        "/bad_chunk" => {
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nall\r\n0\r\n\r\n"
        }
        "/old" => b"<html>all is well</html>\n",
        "/ssh" => b"SSH-2.0-OpenSSH_9.6\r\n",
        "/header" => {
            huge = format!(
                "HTTP/1.1 200 OK\r\nX: {}\r\nContent-Length: 0\r\n\r\n",
                "y".repeat(200_000)
            )
            .into_bytes();
            &huge
        }
        _ => b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    };
    // Whoever asks may have had enough before all is said.
    stream.write_all(answer).await.ok();
}

fn packed(text: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    let body = encoder.finish().unwrap();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}
