//! The messages of a session that are received and not yet on disk, in order of receipt. Pure: knows no broker.

use std::collections::VecDeque;

/// One message that is received and not yet on disk.
#[derive(Debug)]
struct Held<A> {
    ticket: u64,
    /// The connection it came by: packet ids mean nothing on another.
    epoch: u64,
    bytes: usize,
    /// `None` where no acknowledgement is due (QoS 0).
    ack: Option<A>,
}

/// What is held, under tickets that ascend for the process's life.
#[derive(Debug)]
pub struct Window<A> {
    held: VecDeque<Held<A>>,
    bytes: usize,
    epoch: u64,
    next_ticket: u64,
}

impl<A> Default for Window<A> {
    fn default() -> Self {
        Self { held: VecDeque::new(), bytes: 0, epoch: 0, next_ticket: 1 }
    }
}

impl<A> Window<A> {
    /// Takes a message of `bytes` in and gives its ticket.
    pub fn admit(&mut self, bytes: usize, ack: Option<A>) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.held.push_back(Held { ticket, epoch: self.epoch, bytes, ack });
        self.bytes += bytes;
        ticket
    }

    /// Everything up to `through` is on disk: lets it go, and gives the acknowledgements that are due, in order.
    /// A message of an earlier connection has none: the broker sends it again, and it is then a duplicate without effect.
    pub fn release(&mut self, through: u64) -> Vec<A> {
        let mut due = Vec::new();
        while self.held.front().is_some_and(|held| held.ticket <= through) {
            let Some(held) = self.held.pop_front() else { break };
            self.bytes -= held.bytes;
            if held.epoch == self.epoch {
                due.extend(held.ack);
            }
        }
        due
    }

    /// The connection is gone, and with it the meaning of every packet id so far.
    pub fn end_epoch(&mut self) {
        self.epoch += 1;
    }

    /// Forgets the messages from `ticket` on, unacknowledged.
    pub fn forget_from(&mut self, ticket: u64) {
        while self.held.back().is_some_and(|held| held.ticket >= ticket) {
            let Some(held) = self.held.pop_back() else { break };
            self.bytes -= held.bytes;
        }
    }

    /// Messages held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.held.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Bytes of topic and payload held.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledges_in_order_and_only_what_is_on_disk() {
        let mut window = Window::default();
        let tickets: Vec<u64> = ["a", "b", "c"].iter().map(|ack| window.admit(10, Some(*ack))).collect();
        assert_eq!(window.release(tickets[1]), ["a", "b"]);
        assert_eq!((window.len(), window.bytes()), (1, 10));
        assert_eq!(window.release(tickets[1]), [""; 0]);
    }

    #[test]
    fn drops_the_acknowledgements_of_a_dead_connection() {
        let mut window = Window::default();
        window.admit(1, Some("old"));
        window.end_epoch();
        let last = window.admit(1, Some("new"));
        assert_eq!(window.release(last), ["new"]);
    }

    #[test]
    fn forgets_what_was_not_handed_over() {
        let mut window = Window::default();
        let first = window.admit(1, Some("on its way"));
        let second = window.admit(5, Some("still here"));
        window.forget_from(second);
        assert_eq!((window.len(), window.bytes()), (1, 1));
        assert_eq!(window.release(second), ["on its way"]);
        assert!(first < second);
    }

    #[test]
    fn holds_qos_0_without_an_acknowledgement() {
        let mut window: Window<&str> = Window::default();
        let ticket = window.admit(3, None);
        assert!(window.release(ticket).is_empty());
        assert!(window.is_empty());
    }
}
