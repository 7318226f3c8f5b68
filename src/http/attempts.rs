//! Who tries wrong tokens too often. A right one always passes: nobody can lock out a neighbour behind the same address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use crate::domain::time::{MINUTE, Timestamp};

/// Wrong tokens from one address that are answered as such; more are answered with 429.
const ATTEMPTS: u32 = 10;
/// For so long.
const WINDOW: i64 = MINUTE;
/// Addresses that are remembered; past that, those whose window is over are forgotten, and then all.
const ADDRESSES: usize = 10_000;

/// Wrong tokens, by where they came from.
#[derive(Default)]
pub struct Attempts(Mutex<HashMap<IpAddr, (u32, Timestamp)>>);

impl Attempts {
    /// Counts a wrong token; gives for how many milliseconds its sender has to wait, if it was one too many.
    pub fn count(&self, from: IpAddr, now: Timestamp) -> Option<i64> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= ADDRESSES {
            counts.retain(|_, (_, since)| now - *since < WINDOW);
        }
        if counts.len() >= ADDRESSES {
            counts.clear();
        }
        let (count, since) = counts.entry(network(from)).or_insert((0, now));
        if now - *since >= WINDOW {
            (*count, *since) = (0, now);
        }
        *count = count.saturating_add(1);
        (*count > ATTEMPTS).then(|| WINDOW - (now - *since))
    }
}

/// Whoever has one IPv6 address has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_eleventh_wrong_token_of_a_minute_has_to_wait() {
        let attempts = Attempts::default();
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for second in 0..10 {
            assert_eq!(attempts.count(one, Timestamp(second * 1_000)), None);
        }
        assert_eq!(attempts.count(one, Timestamp(10_000)), Some(50_000));
        assert_eq!(attempts.count(other, Timestamp(10_000)), None);
        assert_eq!(attempts.count(one, Timestamp(60_000)), None);
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_address() {
        let attempts = Attempts::default();
        for host in 0..10 {
            assert_eq!(attempts.count(format!("2001:db8::{host}").parse().unwrap(), Timestamp(0)), None);
        }
        assert!(attempts.count("2001:db8::99".parse().unwrap(), Timestamp(0)).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let attempts = Attempts::default();
        for host in 0..30_000_u32 {
            attempts.count(IpAddr::V4(host.into()), Timestamp(0));
        }
        assert!(attempts.0.lock().unwrap().len() <= ADDRESSES);
    }
}
