//! Between lokahi and its servers: every byte goes through here, until connections are cut, or
//! nothing goes through for a while. At moments in a conversation with Postgres (`talk.rs`) it does
//! something to those who have it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::Result;

use super::fault::{Moment, Who};
use super::talk::Talk;
use super::trap::Trap;

/// Where the other side is.
#[derive(Debug, Clone)]
pub(super) enum Server {
    Unix(PathBuf),
    Tcp(u16),
}

/// One of both sides of a connection.
#[derive(Debug)]
enum Side {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug)]
pub(super) struct Proxy {
    ports: BTreeMap<Who, u16>,
    gate: Arc<Gate>,
}

/// What all connections share.
#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    silent: bool,
    /// Both sides of what is open.
    open: Vec<(u64, Side)>,
    next: u64,
    trap: Option<(Trap, Moment)>,
    ambush: Option<Ambush>,
    /// The answer to a claim is held, and nothing comes after it on its connection.
    holds: bool,
}

/// What happens at a claim.
#[derive(Debug)]
struct Ambush {
    trap: Trap,
    of: Who,
    holds: bool,
}

impl Proxy {
    /// It serves as long as this process lives; each of these clients has a port of its own.
    pub(super) fn start(server: &Server, clients: &[Who]) -> Result<Self> {
        let gate: Arc<Gate> = Arc::default();
        let mut ports = BTreeMap::new();
        for who in clients.iter().copied() {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            ports.insert(who, listener.local_addr()?.port());
            let (gate, server) = (Arc::clone(&gate), server.clone());
            thread::spawn(move || {
                for client in listener.incoming().flatten() {
                    let (gate, server) = (Arc::clone(&gate), server.clone());
                    thread::spawn(move || {
                        // Whoever goes away, or is not there, ends a connection.
                        if connect(&gate, (who, client), &server).is_err() {
                            thread::yield_now();
                        }
                    });
                }
            });
        }
        Ok(Self { ports, gate })
    }

    /// Where a client connects to.
    pub(super) fn port(&self, client: Who) -> u16 {
        self.ports.get(&client).copied().unwrap_or_default()
    }

    /// Ends every connection.
    pub(super) fn cut(&self) {
        self.gate.lock().cut();
    }

    /// From now on no byte goes through, or they do again.
    pub(super) fn silence(&self, silent: bool) {
        self.gate.lock().silent = silent;
        self.gate.changed.notify_all();
    }

    /// Springs this trap when the next transition is committed, and ends every connection then.
    pub(super) fn arm(&self, trap: Trap, moment: Moment) {
        self.gate.lock().trap = Some((trap, moment));
    }

    /// Springs this trap when this one has claimed deliveries, and does not know it yet, and may
    /// hold the answer.
    pub(super) fn await_claim(&self, trap: Trap, of: Who, holds: bool) {
        self.gate.lock().ambush = Some(Ambush { trap, of, holds });
    }

    /// Lets go what is held.
    pub(super) fn release(&self) {
        self.gate.lock().holds = false;
        self.gate.changed.notify_all();
    }

    pub(super) fn disarm(&self) {
        self.gate.lock().trap = None;
    }

    pub(super) fn await_no_claim(&self) {
        self.gate.lock().ambush = None;
    }
}

impl Gate {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until nothing is held any more.
    fn held(&self) -> MutexGuard<'_, State> {
        let state = self.lock();
        let released = self.changed.wait_while(state, |state| state.holds);
        released.unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until bytes may go through; nothing goes through while what this returns is held.
    fn pass(&self) -> MutexGuard<'_, State> {
        let state = self.lock();
        let opened = self.changed.wait_while(state, |state| state.silent);
        opened.unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn cut(&mut self) {
        for (_, side) in self.open.drain(..) {
            side.shut();
        }
    }

    /// Springs the trap if it waits for this moment of a lokahid: a webhookworker's message of
    /// several events is a transition, too.
    fn spring(&mut self, now: Moment, client: Who) -> bool {
        let is_lokahid = matches!(client, Who::Lokahid1 | Who::Lokahid2);
        let waits = self
            .trap
            .take_if(|(_, moment)| is_lokahid && *moment == now);
        let Some((trap, _)) = waits else {
            return false;
        };
        trap.spring();
        self.cut();
        true
    }

    /// The same if somebody waits for a claim of this one; its connection goes on. Whether its
    /// answer is to be held.
    fn spring_claim(&mut self, client: Who) -> bool {
        let waits = self.ambush.take_if(|it| it.of == client);
        let Some(ambush) = waits else {
            return false;
        };
        self.holds = ambush.holds;
        ambush.trap.spring();
        ambush.holds
    }
}

impl Side {
    fn share(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(stream.try_clone()?),
            Self::Unix(stream) => Self::Unix(stream.try_clone()?),
        })
    }

    fn shut(&self) {
        // It may be over already.
        let shut = match self {
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
        };
        shut.unwrap_or_default();
    }

    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.write_all(bytes),
            Self::Unix(stream) => stream.write_all(bytes),
        }
    }
}

fn connect(gate: &Arc<Gate>, (who, client): (Who, TcpStream), server: &Server) -> io::Result<()> {
    drop(gate.pass());
    let server = match server {
        Server::Unix(path) => Side::Unix(UnixStream::connect(path)?),
        Server::Tcp(port) => {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, *port))?;
            stream.set_nodelay(true)?;
            Side::Tcp(stream)
        }
    };
    client.set_nodelay(true)?;
    let client = Side::Tcp(client);
    let mut state = gate.lock();
    let number = state.next;
    state.next += 1;
    state.open.push((number, client.share()?));
    state.open.push((number, server.share()?));
    drop(state);
    let talk = Arc::new(Mutex::new(Talk::of(who)));
    let (there, back) = (Arc::clone(gate), Arc::clone(&talk));
    let (from, to) = (server.share()?, client.share()?);
    let answers = thread::spawn(move || pump(&there, from, to, &back, false));
    pump(gate, client, server, &talk, true);
    answers.join().unwrap_or_default();
    gate.lock().open.retain(|(open, _)| *open != number);
    Ok(())
}

/// Passes on what one side says, until one of both ends.
fn pump(gate: &Gate, mut from: Side, mut to: Side, talk: &Mutex<Talk>, asks: bool) {
    let mut room = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut room) {
        let said = room.get(..read).unwrap_or_default();
        let mut state = gate.pass();
        let mut talk = talk.lock().unwrap_or_else(PoisonError::into_inner);
        if asks {
            talk.ask(said);
            if talk.transitions.is_committing && state.spring(Moment::Before, talk.client) {
                break;
            }
            // While the state is held: what follows a commit anywhere must not overtake us.
            if to.write(said).is_err() {
                break;
            }
        } else {
            let (committed, claimed) = talk.answer(said);
            if claimed && state.spring_claim(talk.client) {
                drop(state);
                state = gate.held();
            }
            if committed && state.spring(Moment::Between, talk.client) {
                break;
            }
            if state.trap.is_none() {
                // One that does not read must hold up nobody else.
                drop(state);
                if to.write(said).is_err() {
                    break;
                }
                continue;
            }
            if to.write(said).is_err() || committed && state.spring(Moment::After, talk.client) {
                break;
            }
        }
    }
    for side in [from, to] {
        side.shut();
    }
}
