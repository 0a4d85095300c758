//! Names that lead nowhere, asked of a name server with a script.

use std::sync::Arc;

use lokahi::egress::policy::AddressPolicy;
use lokahi::egress::resolver::Resolver;
use lokahi::egress::tls::Trust;
use lokahi::prober::probe::ProbeContext;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::site::{OK, Site};
use super::{check_within, observe, verdict};

/// `nx.` does not exist, `broken.` is a failure, `site.` is 127.0.0.1, the rest is silence.
async fn answer(server: UdpSocket) {
    let mut packet = [0; 1024];
    while let Ok((length, from)) = server.recv_from(&mut packet).await {
        let name = 12..12
            + packet[12..length]
                .iter()
                .position(|byte| *byte == 0)
                .unwrap()
            + 1;
        let end = name.end + 4;
        let label = packet[13..13 + usize::from(packet[12])].to_ascii_lowercase();
        let is_a = packet[name.end + 1] == 1;
        // An answer without additional records, with the server able to recurse.
        packet[2] |= 0x80;
        packet[10..12].fill(0);
        let mut reply = packet[..end].to_vec();
        match label.as_slice() {
            b"nx" => reply[3] = 0x83,
            b"broken" => reply[3] = 0x82,
            b"site" => {
                reply[3] = 0x80;
                if is_a {
                    reply[7] = 1;
                    reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 1]);
                }
            }
            _ => continue,
        }
        server.send_to(&reply, from).await.unwrap();
    }
}

#[tokio::test]
async fn a_name_has_its_answer_or_its_class() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = Resolver::with_servers(&[server.local_addr().unwrap()], "");
    let mut tasks = JoinSet::new();
    tasks.spawn(answer(server));
    let context = ProbeContext::new(
        Arc::new(resolver),
        AddressPolicy::default(),
        &Trust::native(),
    )
    .unwrap();
    let site = Site::saying(OK).await;
    for (name, expected) in [
        ("site.test", "up"),
        ("nx.test", "error dns_nxdomain"),
        ("broken.test", "error dns_servfail"),
        ("silent.test", "error dns_timeout"),
    ] {
        let url = format!("http://{name}:{}/", site.address.port());
        let observation = observe(&context, &check_within(&url, 1500)).await;
        assert_eq!(verdict(&observation), expected, "{observation:?}");
        assert!(!observation.phases.dns.is_zero());
        assert!(observation.phases.total >= observation.phases.dns);
    }
}

#[tokio::test]
async fn without_a_name_server_the_fault_is_ours() {
    let context = super::context();
    let observation = observe(&context, &check_within("http://site.test/", 1500)).await;
    assert_eq!(verdict(&observation), "unknown internal");
}
