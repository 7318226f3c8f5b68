//! Which addresses a sink may call. A receiver's address must not lead back into the network that liftwatch stands in,
//! unless the operator has listed that network.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// One network, such as `10.0.0.0/8` or `fd00::/8`; a lone address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Net {
    address: IpAddr,
    prefix: u8,
}

/// Why a text is no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNet {
    #[error("is no network; they look like 10.0.0.0/8, 192.168.7.20 or fd00::/8")]
    Form,
    #[error("has bits behind its prefix; write the network's first address")]
    Bits,
}

impl std::str::FromStr for Net {
    type Err = BadNet;

    fn from_str(text: &str) -> Result<Self, BadNet> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| BadNet::Form)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => longest,
            Some(text) => text.parse().ok().filter(|prefix| *prefix <= longest).ok_or(BadNet::Form)?,
        };
        let net = Self { address, prefix };
        if net.host_bits() == 0 { Ok(net) } else { Err(BadNet::Bits) }
    }
}

impl<'de> Deserialize<'de> for Net {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error| D::Error::custom(format!("{text:?} {error}")))
    }
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Net {
    fn host_bits(self) -> u128 {
        match self.address {
            IpAddr::V4(v4) => u128::from(u32::from(v4).checked_shl(self.prefix.into()).unwrap_or(0)),
            IpAddr::V6(v6) => u128::from(v6).checked_shl(self.prefix.into()).unwrap_or(0),
        }
    }

    /// Whether the address is in it. An IPv4 address written as IPv6 is the IPv4 address.
    #[must_use]
    pub fn holds(self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(net), IpAddr::V4(address)) => {
                let differ = u32::from(net) ^ u32::from(address);
                differ.checked_shr(32 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            (IpAddr::V6(net), IpAddr::V6(address)) => {
                let differ = u128::from(net) ^ u128::from(address);
                differ.checked_shr(128 - u32::from(self.prefix)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// An address that must not be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} is {what} ({address}); list its network in [notify] allow_nets if that is meant")]
pub struct Inside {
    pub host: String,
    pub address: IpAddr,
    /// `a loopback address`.
    pub what: &'static str,
}

/// Says whether an address may be called; `host` is the name that led to it.
///
/// # Errors
/// [`Inside`] says what kind of address it is.
pub fn admit(host: &str, address: IpAddr, allowed: &[Net]) -> Result<(), Inside> {
    match kind(address) {
        Some(what) if !allowed.iter().any(|net| net.holds(address)) => {
            Err(Inside { host: host.to_owned(), address, what })
        }
        _ => Ok(()),
    }
}

/// What an address is, if it is not one of the open Internet (the registries of special addresses, RFC 6890).
fn kind(address: IpAddr) -> Option<&'static str> {
    match address.to_canonical() {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

fn kind_v4(v4: Ipv4Addr) -> Option<&'static str> {
    match v4.octets() {
        [127, ..] => Some("a loopback address"),
        [0, ..] => Some("an address of this machine"),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some("a private address"),
        [169, 254, ..] => Some("a link-local address"),
        [100, 64..=127, ..] => Some("an address inside a provider's network"),
        [192, 0, 0 | 2, _] | [198, 18 | 19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => Some("a reserved address"),
        [224..=255, ..] => Some("a multicast or reserved address"),
        _ => None,
    }
}

fn kind_v6(v6: Ipv6Addr) -> Option<&'static str> {
    let v4_in = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => Some("a loopback address"),
        [0, 0, 0, 0, 0, 0, 0, 0] => Some("an address of this machine"),
        // Forms that carry an IPv4 address: compatible, translated (RFC 6052), 6to4.
        [0, 0, 0, 0, 0, 0, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            Some(kind_v4(v4_in(high, low)).unwrap_or("an IPv4 address in another form"))
        }
        [0xfc00..=0xfdff, ..] => Some("a private address"),
        [0xfe80..=0xfebf, ..] => Some("a link-local address"),
        // Global unicast is 2000::/3; in it, Teredo and its kin, and the addresses of documents.
        [0x2001, 0..=0x1ff | 0xdb8, ..] => Some("a reserved address"),
        [0x2000..=0x3fff, ..] => None,
        _ => Some("a multicast or reserved address"),
    }
}

/// How a host's name is looked up.
pub type Lookup = Arc<dyn Fn(String) -> Looking + Send + Sync>;

/// A lookup under way.
pub type Looking = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// The system's own lookup.
#[must_use]
pub fn system_lookup() -> Lookup {
    Arc::new(|host| {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    })
}

/// Looks up a name, checks every address, and hands over exactly these: the connection asks nobody again, so an answer
/// that changes a moment later (DNS rebinding) changes nothing.
pub struct Resolver {
    pub lookup: Lookup,
    /// `None` lets every address pass.
    pub allowed: Option<Arc<[Net]>>,
}

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let host = name.as_str().to_owned();
        let (looking, allowed) = ((self.lookup)(host.clone()), self.allowed.clone());
        Box::pin(async move {
            let addresses = looking.await?;
            if let Some(allowed) = allowed {
                // One address inside spoils the name: who mixes them is trying something.
                for address in &addresses {
                    admit(&host, *address, &allowed)?;
                }
            }
            let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, 0));
            let pinned: reqwest::dns::Addrs = Box::new(addresses);
            Ok(pinned)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, allowed: &[&str]) -> bool {
        let allowed: Vec<Net> = allowed.iter().map(|net| net.parse().unwrap()).collect();
        admit("host", address.parse().unwrap(), &allowed).is_err()
    }

    #[test]
    fn refuses_every_address_that_is_not_of_the_open_internet() {
        for inside in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.0.1",
            "192.0.0.8",
            "198.18.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::7f00:1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "fec0::1",
        ] {
            assert!(refused(inside, &[]), "{inside}");
        }
        for outside in ["1.1.1.1", "172.32.0.1", "100.128.0.1", "8.8.8.8", "223.5.5.5", "2400:3200::1", "2606:4700::1"]
        {
            assert!(!refused(outside, &[]), "{outside}");
        }
    }

    #[test]
    fn a_listed_network_is_allowed_and_no_other() {
        assert!(!refused("10.1.2.3", &["10.0.0.0/8"]));
        assert!(!refused("::ffff:10.1.2.3", &["10.0.0.0/8"]));
        assert!(refused("192.168.0.1", &["10.0.0.0/8"]));
        assert!(!refused("192.168.7.20", &["192.168.7.20"]));
        assert!(refused("192.168.7.21", &["192.168.7.20"]));
        assert!(!refused("fd00::5", &["fd00::/8"]));
        assert!(!refused("127.0.0.1", &["0.0.0.0/0"]) && !refused("::1", &["::/0"]) && refused("::1", &["0.0.0.0/0"]));
    }

    #[test]
    fn reads_networks_and_says_what_is_wrong_with_others() {
        assert_eq!("10.0.0.0/8".parse::<Net>().unwrap().to_string(), "10.0.0.0/8");
        assert_eq!("::1".parse::<Net>().unwrap().to_string(), "::1/128");
        assert_eq!("10.0.0.1/8".parse::<Net>(), Err(BadNet::Bits));
        for bad in ["", "10.0.0.0/33", "10.0.0.0/", "ten", "fd00::/129", "10.0.0.0/-1"] {
            assert_eq!(bad.parse::<Net>(), Err(BadNet::Form), "{bad}");
        }
    }
}
