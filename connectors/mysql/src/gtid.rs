//! Sets of global transaction identifiers, as MySQL and MariaDB write them.

use std::collections::BTreeMap;
use std::fmt;

use couplet_mysql_wire::SourceGtids;

use crate::flavour::Flavour;

/// Transactions that are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GtidSet {
    /// MySQL: closed intervals by source.
    MySql(BTreeMap<String, Vec<(u64, u64)>>),
    /// MariaDB: the last one by domain: server and number.
    MariaDb(BTreeMap<u32, (u32, u64)>),
}

impl GtidSet {
    /// No transaction.
    pub(crate) const fn empty(flavour: Flavour) -> Self {
        match flavour {
            Flavour::MySql => GtidSet::MySql(BTreeMap::new()),
            Flavour::MariaDb => GtidSet::MariaDb(BTreeMap::new()),
        }
    }

    /// Reads `text`; parts that cannot be read are left out.
    pub(crate) fn parse(flavour: Flavour, text: &str) -> Self {
        let mut set = GtidSet::empty(flavour);
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        match &mut set {
            GtidSet::MySql(sources) => parts.for_each(|part| {
                let Some((uuid, intervals)) = part.split_once(':') else { return };
                let intervals = intervals.split(':').filter_map(|text| {
                    let (from, to) = text.split_once('-').unwrap_or((text, text));
                    Some((from.trim().parse().ok()?, to.trim().parse().ok()?))
                });
                let all = sources.entry(uuid.trim().to_lowercase()).or_default();
                all.extend(intervals);
                join(all);
            }),
            GtidSet::MariaDb(domains) => domains.extend(parts.filter_map(|part| {
                let mut numbers = part.splitn(3, '-');
                let domain = numbers.next()?.parse().ok()?;
                Some((domain, (numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?)))
            })),
        }
        set
    }

    /// Whether it has no transaction.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            GtidSet::MySql(sources) => sources.is_empty(),
            GtidSet::MariaDb(domains) => domains.is_empty(),
        }
    }

    /// Adds the transaction `number` of the MySQL source `uuid`.
    pub(crate) fn add_mysql(&mut self, uuid: &str, number: u64) {
        let GtidSet::MySql(sources) = self else { return };
        match sources.get_mut(uuid) {
            Some(intervals) => match intervals.last_mut() {
                // The usual case, without sorting.
                Some((_, to)) if *to + 1 == number => *to = number,
                _ => {
                    intervals.push((number, number));
                    join(intervals);
                }
            },
            None => {
                sources.insert(uuid.to_owned(), vec![(number, number)]);
            }
        }
    }

    /// Adds a transaction of MariaDB.
    pub(crate) fn add_mariadb(&mut self, domain: u32, server: u32, number: u64) {
        if let GtidSet::MariaDb(domains) = self {
            domains.insert(domain, (server, number));
        }
    }

    /// Whether `other` has every transaction of this one.
    pub(crate) fn is_within(&self, other: &GtidSet) -> bool {
        match (self, other) {
            (GtidSet::MySql(own), GtidSet::MySql(theirs)) => own.iter().all(|(uuid, intervals)| {
                let theirs = theirs.get(uuid).map_or(&[][..], Vec::as_slice);
                intervals.iter().all(|(from, to)| theirs.iter().any(|(f, t)| f <= from && to <= t))
            }),
            (GtidSet::MariaDb(own), GtidSet::MariaDb(theirs)) => {
                own.iter().all(|(domain, (_, number))| theirs.get(domain).is_some_and(|(_, last)| number <= last))
            }
            _ => false,
        }
    }

    /// Its parts whose source (`uuid`, or `domain-server`) passes.
    pub(crate) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        match self {
            GtidSet::MySql(sources) => sources.retain(|uuid, _| keep(uuid)),
            GtidSet::MariaDb(domains) => domains.retain(|domain, (server, _)| keep(&format!("{domain}-{server}"))),
        }
    }

    /// Whether it has transactions of the source.
    pub(crate) fn has_source(&self, source: &str) -> bool {
        match self {
            GtidSet::MySql(sources) => sources.contains_key(source),
            GtidSet::MariaDb(domains) => {
                domains.iter().any(|(domain, (server, _))| format!("{domain}-{server}") == source)
            }
        }
    }

    /// Adds the transactions of sources in `other` that this set has none of: those it was never told of.
    pub(crate) fn add_missing_sources(&mut self, other: &GtidSet) {
        if let (GtidSet::MySql(own), GtidSet::MySql(theirs)) = (self, other) {
            for (uuid, intervals) in theirs {
                own.entry(uuid.clone()).or_insert_with(|| intervals.clone());
            }
        }
    }

    /// For MySQL's dump: sources with half-open intervals.
    pub(crate) fn for_dump(&self) -> Vec<SourceGtids> {
        let GtidSet::MySql(sources) = self else { return Vec::new() };
        let source = |(uuid, intervals): (&String, &Vec<(u64, u64)>)| {
            let bytes: [u8; 16] = hex::decode(uuid.replace('-', "")).ok()?.try_into().ok()?;
            Some((bytes, intervals.iter().map(|(from, to)| (*from, to + 1)).collect()))
        };
        sources.iter().filter_map(source).collect()
    }
}

/// Sorts intervals and joins those that touch.
fn join(intervals: &mut Vec<(u64, u64)>) {
    intervals.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::with_capacity(intervals.len());
    for (from, to) in intervals.drain(..) {
        match joined.last_mut() {
            Some((_, last)) if from <= last.saturating_add(1) => *last = (*last).max(to),
            _ => joined.push((from, to)),
        }
    }
    *intervals = joined;
}

/// The text of MySQL's sixteen bytes.
pub(crate) fn uuid_text(uuid: &[u8; 16]) -> String {
    let digits = hex::encode(uuid);
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

impl fmt::Display for GtidSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        match self {
            GtidSet::MySql(sources) => {
                for (uuid, intervals) in sources {
                    write!(f, "{separator}{uuid}")?;
                    for (from, to) in intervals {
                        // Debezium's client writes a single transaction as an interval too.
                        write!(f, ":{from}-{to}")?;
                    }
                    separator = ",";
                }
            }
            GtidSet::MariaDb(domains) => {
                for (domain, (server, number)) in domains {
                    write!(f, "{separator}{domain}-{server}-{number}")?;
                    separator = ",";
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "5671f1ff-e684-11f1-bb97-02fc00000001";

    #[test]
    fn transactions_join_intervals() {
        let mut set = GtidSet::parse(Flavour::MySql, &format!("{UUID}:1-5:7-8"));
        set.add_mysql(UUID, 9);
        assert_eq!(set.to_string(), format!("{UUID}:1-5:7-9"));
        set.add_mysql(UUID, 6);
        assert_eq!(set.to_string(), format!("{UUID}:1-9"));
        assert!(GtidSet::parse(Flavour::MySql, &format!("{UUID}:2-3")).is_within(&set));
        assert!(!GtidSet::parse(Flavour::MySql, &format!("{UUID}:2-10")).is_within(&set));
        assert_eq!(set.for_dump()[0].1, [(1, 10)]);
        assert_eq!(uuid_text(&set.for_dump()[0].0), UUID);
    }

    #[test]
    fn mariadb_keeps_the_last_of_each_domain() {
        let mut set = GtidSet::parse(Flavour::MariaDb, "0-3307-5, 1-2-3");
        set.add_mariadb(0, 3308, 6);
        assert_eq!(set.to_string(), "0-3308-6,1-2-3");
        assert!(GtidSet::parse(Flavour::MariaDb, "0-1-5").is_within(&set));
        assert!(!GtidSet::parse(Flavour::MariaDb, "2-1-5").is_within(&set));
    }
}
