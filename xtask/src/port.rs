//! A port that is ours also while nobody listens there: whoever is away comes back to it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// A port of this machine's own address. Nobody else gets it while this lives; whoever connects is
/// refused while nobody listens.
#[derive(Debug)]
pub(crate) struct Port {
    place: SocketAddr,
    /// Bound, and never listening: whoever listens has a socket beside it.
    _held: Socket,
}

impl Port {
    pub(crate) fn take() -> io::Result<Self> {
        let held = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        // As listeners have it: two sockets may be bound to one port while at most one listens.
        held.set_reuse_address(true)?;
        held.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
        let place = held.local_addr()?.as_socket();
        let place = place.ok_or_else(|| io::Error::other("it has no address"))?;
        Ok(Self { place, _held: held })
    }

    pub(crate) fn number(&self) -> u16 {
        self.place.port()
    }

    pub(crate) fn listen(&self) -> io::Result<TcpListener> {
        TcpListener::bind(self.place)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn whoever_was_away_comes_back_to_the_same_place() {
        let port = Port::take().unwrap();
        for _ in 0..3 {
            let refused = TcpStream::connect(port.place).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            let listener = port.listen().unwrap();
            assert_eq!(listener.local_addr().unwrap().port(), port.number());
            TcpStream::connect(port.place).unwrap();
        }
    }

    #[test]
    fn nobody_else_gets_it() {
        let ports: Vec<Port> = (0..64).map(|_| Port::take().unwrap()).collect();
        let mut numbers: Vec<u16> = ports.iter().map(Port::number).collect();
        let others: Vec<TcpListener> = (0..64)
            .map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap())
            .collect();
        numbers.extend(others.iter().map(|it| it.local_addr().unwrap().port()));
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), 128);
    }
}
