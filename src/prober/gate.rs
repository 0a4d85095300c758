//! Who may begin: places for probes in flight, given by priority, so many to a host and so many
//! to checks that took long the last time. Hosts that hang then hold up nobody else.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::oneshot;

use super::prepare::Prepared;
use crate::clock;
use crate::model::dial::Priority;
use crate::model::id::CheckNo;

/// What took longer is slow the next time.
const SLOW: Duration = Duration::from_secs(2);
/// The most checks that are known to be slow.
const MOST_SLOW: usize = 100_000;
/// The most probes that wait for a place; what comes then is too much, whoever sheds it.
const MOST_WAITING: usize = 100_000;
/// A host may always have so many.
const LEAST_OF_HOST: usize = 16;

/// What a probe asks for.
#[derive(Clone, Debug)]
pub(super) struct Wants {
    pub(super) host: Arc<str>,
    pub(super) priority: Priority,
    /// It took long the last time.
    pub(super) slow: bool,
}

impl Wants {
    /// What a check asks for; one that cannot be read ends at once.
    pub(super) fn of(check: Option<&Prepared>, slow: bool) -> Self {
        Self {
            host: check.map_or_else(|| "".into(), |check| Arc::clone(&check.host)),
            priority: check.map_or(Priority::High, |check| check.priority),
            slow,
        }
    }
}

/// The places of a worker.
#[derive(Debug)]
pub(super) struct Gate {
    inner: Mutex<Inner>,
}

/// One place; it is free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// Whose it is, until it was given back.
    gate: Option<Arc<Gate>>,
    wants: Wants,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.lock().release(&self.wants);
            gate.pass();
        }
    }
}

type Turn = (Reverse<Priority>, u64);

#[derive(Debug)]
struct Waiter {
    wants: Wants,
    call: oneshot::Sender<Place>,
}

#[derive(Debug)]
struct Inner {
    free: usize,
    free_slow: usize,
    most_of_host: usize,
    hosts: HashMap<Arc<str>, Host>,
    quick: BTreeMap<Turn, Waiter>,
    slow: BTreeMap<Turn, Waiter>,
    waiting: usize,
    last: u64,
    known_slow: HashSet<CheckNo>,
}

/// A host that is being probed.
#[derive(Debug, Default)]
struct Host {
    has: usize,
    waiting: VecDeque<(Turn, Waiter)>,
}

impl Gate {
    /// A gate with so many places, half of which slow ones may take, and a quarter one host.
    pub(super) fn new(room: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Inner {
                free: room,
                free_slow: room.div_ceil(2),
                most_of_host: (room / 4).max(LEAST_OF_HOST),
                hosts: HashMap::new(),
                quick: BTreeMap::new(),
                slow: BTreeMap::new(),
                waiting: 0,
                last: 0,
                known_slow: HashSet::new(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in there panics halfway.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this check took long the last time.
    pub(super) fn is_slow(&self, check: CheckNo) -> bool {
        self.lock().known_slow.contains(&check)
    }

    /// Remembers how long a check took.
    pub(super) fn took(&self, check: CheckNo, time: Duration) {
        let known = &mut self.lock().known_slow;
        if time <= SLOW {
            known.remove(&check);
        } else if known.len() < MOST_SLOW {
            known.insert(check);
        }
    }

    /// A place at once, if nobody is before us.
    pub(super) fn try_enter(self: &Arc<Self>, wants: &Wants) -> Option<Place> {
        let entered = self.lock().enter(wants);
        entered.then(|| self.place(wants.clone()))
    }

    /// A place before the time is over.
    pub(super) async fn enter(
        self: &Arc<Self>,
        wants: Wants,
        expires: Option<OffsetDateTime>,
    ) -> Option<Place> {
        let left = match expires {
            Some(expires) => Duration::try_from(expires - clock::now()).ok()?,
            None => Duration::MAX,
        };
        if let Some(place) = self.try_enter(&wants) {
            return Some(place);
        }
        let (call, called) = oneshot::channel();
        self.lock().wait(wants, call)?;
        tokio::time::timeout(left, called).await.ok()?.ok()
    }

    fn place(self: &Arc<Self>, wants: Wants) -> Place {
        Place {
            gate: Some(Arc::clone(self)),
            wants,
        }
    }

    /// Gives what is free to those whose turn it is.
    fn pass(self: &Arc<Self>) {
        let mut inner = self.lock();
        while let Some(Waiter { wants, call }) = inner.next() {
            if let Err(mut place) = call.send(self.place(wants)) {
                // It has given up.
                place.gate = None;
                inner.release(&place.wants);
            }
        }
    }
}

impl Inner {
    fn enter(&mut self, wants: &Wants) -> bool {
        let lane = match wants.slow {
            true => &self.slow,
            false => &self.quick,
        };
        let full = self.free == 0 || wants.slow && self.free_slow == 0 || !lane.is_empty();
        let host = self.hosts.entry(Arc::clone(&wants.host)).or_default();
        if full || host.has >= self.most_of_host {
            if host.has == 0 && host.waiting.is_empty() {
                self.hosts.remove(&wants.host);
            }
            return false;
        }
        host.has += 1;
        self.free -= 1;
        self.free_slow -= usize::from(wants.slow);
        true
    }

    /// Lines somebody up: for the host first, then for a place. `None` when there are too many.
    fn wait(&mut self, wants: Wants, call: oneshot::Sender<Place>) -> Option<()> {
        if self.waiting >= MOST_WAITING {
            return None;
        }
        self.waiting += 1;
        self.last += 1;
        let turn = (Reverse(wants.priority), self.last);
        let host = self.hosts.entry(Arc::clone(&wants.host)).or_default();
        let waiter = Waiter { wants, call };
        if host.has >= self.most_of_host {
            host.waiting.push_back((turn, waiter));
        } else {
            host.has += 1;
            self.line_up(turn, waiter);
        }
        Some(())
    }

    /// Its host has room for it.
    fn line_up(&mut self, turn: Turn, waiter: Waiter) {
        match waiter.wants.slow {
            true => self.slow.insert(turn, waiter),
            false => self.quick.insert(turn, waiter),
        };
    }

    /// Whose turn it is, with the place taken.
    fn next(&mut self) -> Option<Waiter> {
        if self.free == 0 {
            return None;
        }
        let quick = self.quick.first_key_value().map(|(turn, _)| *turn);
        let slow = self.slow.first_key_value().map(|(turn, _)| *turn);
        let slow = slow.filter(|_| self.free_slow > 0);
        let takes_slow = match (quick, slow) {
            (Some(quick), Some(slow)) => slow < quick,
            (None, None) => return None,
            (quick, _) => quick.is_none(),
        };
        let lane = match takes_slow {
            true => &mut self.slow,
            false => &mut self.quick,
        };
        let (_, waiter) = lane.pop_first()?;
        self.waiting -= 1;
        self.free -= 1;
        self.free_slow -= usize::from(takes_slow);
        Some(waiter)
    }

    /// A place is free, and one of its host with it.
    fn release(&mut self, wants: &Wants) {
        self.free += 1;
        self.free_slow += usize::from(wants.slow);
        let Some(host) = self.hosts.get_mut(&wants.host) else {
            return;
        };
        if let Some((turn, waiter)) = host.waiting.pop_front() {
            // What the host has goes from one to the other.
            return self.line_up(turn, waiter);
        }
        host.has -= 1;
        if host.has == 0 {
            self.hosts.remove(&wants.host);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(host: &str, priority: Priority, slow: bool) -> Wants {
        Wants {
            host: host.into(),
            priority,
            slow,
        }
    }

    fn soon() -> Option<OffsetDateTime> {
        Some(clock::now() + Duration::from_secs(60))
    }

    /// Lets spawned tasks come to where they wait.
    async fn settle(gate: &Gate, waiting: usize) {
        while gate.lock().waiting < waiting {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_most_urgent_is_first_and_then_the_first() {
        let gate = Gate::new(1);
        let held = gate
            .try_enter(&wants("a", Priority::Normal, false))
            .unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        let all = [
            Priority::Low,
            Priority::Normal,
            Priority::High,
            Priority::Normal,
        ];
        for (number, priority) in all.into_iter().enumerate() {
            let (gate, order) = (Arc::clone(&gate), Arc::clone(&order));
            tasks.push(tokio::spawn(async move {
                let place = gate
                    .enter(wants("b", priority, false), soon())
                    .await
                    .unwrap();
                order.lock().unwrap().push(number);
                drop(place);
            }));
            settle(held.gate.as_ref().unwrap(), number + 1).await;
        }
        drop(held);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [2, 1, 3, 0]);
    }

    #[tokio::test]
    async fn one_host_and_what_is_slow_take_a_part_only() {
        let gate = Gate::new(64);
        let of = |host: &str, slow: bool| {
            let wants = wants(host, Priority::High, slow);
            std::iter::from_fn(|| gate.try_enter(&wants)).collect::<Vec<_>>()
        };
        let one = of("hangs", false);
        assert_eq!(one.len(), 16);
        let slow: Vec<_> = (0..4)
            .flat_map(|n| of(&format!("slow-{n}"), true))
            .collect();
        assert_eq!(slow.len(), 32);
        let rest: Vec<_> = (0..4)
            .flat_map(|n| of(&format!("quick-{n}"), false))
            .collect();
        assert_eq!(rest.len(), 16);
        drop((one, slow, rest));
        let inner = gate.lock();
        assert_eq!(
            (inner.free, inner.free_slow, inner.hosts.len()),
            (64, 32, 0)
        );
    }

    #[tokio::test]
    async fn a_place_goes_from_one_to_the_next_of_its_host() {
        let gate = Gate::new(16);
        let wants = wants("a", Priority::Normal, false);
        let mut held: Vec<_> = std::iter::from_fn(|| gate.try_enter(&wants)).collect();
        assert_eq!(held.len(), 16);
        let task = tokio::spawn({
            let (gate, wants) = (Arc::clone(&gate), wants.clone());
            async move { gate.enter(wants, soon()).await.is_some() }
        });
        settle(&gate, 1).await;
        held.pop();
        assert!(task.await.unwrap());
        drop(held);
        assert_eq!(gate.lock().free, 16);
    }

    #[tokio::test]
    async fn who_waits_in_vain_leaves_no_place_taken() {
        let gate = Gate::new(16);
        let wants = wants("a", Priority::Normal, true);
        let mut held: Vec<_> = std::iter::from_fn(|| gate.try_enter(&wants)).collect();
        assert_eq!(held.len(), 8);
        let gone = gate.enter(wants.clone(), Some(clock::now())).await;
        assert!(gone.is_none());
        let soon = Some(clock::now() + Duration::from_millis(1));
        assert!(gate.enter(wants.clone(), soon).await.is_none());
        held.clear();
        let again: Vec<_> = std::iter::from_fn(|| gate.try_enter(&wants)).collect();
        assert_eq!(again.len(), 8);
        drop(again);
        let inner = gate.lock();
        assert_eq!((inner.free, inner.waiting, inner.hosts.len()), (16, 0, 0));
    }

    #[test]
    fn what_took_long_is_slow_the_next_time() {
        let gate = Gate::new(1);
        let check = CheckNo(7);
        gate.took(check, Duration::from_secs(3));
        assert!(gate.is_slow(check));
        gate.took(check, Duration::from_secs(1));
        assert!(!gate.is_slow(check));
    }
}
