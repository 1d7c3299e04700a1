//! Where a page lies in a list, in conditions that an index over (`…`, time, `_id`) answers without reading a key
//! beyond the page, however many rows share one time.
//!
//! Documents that the documented system left without a date, or with something else in its place, are in the lists as
//! well: where the index has them, which is before all dates. They are shown as made when their id was minted, so a
//! position cannot tell that it is one of theirs; [`Keyset::edges`] finds out. A page that begins at one of them costs
//! the keys of its list, because the server finds a range of types in no other way.

use mongodb::bson::{Bson, DateTime, Document, doc, oid};

use super::calls::Documents;
use super::fields::{minted_at, stored_id, stored_value};
use super::operation::ANSWER_TIMEOUT;
use crate::domain::{PageRequest, Position};
use crate::store::StoreError;

/// The types that an index has before dates, in its order; nothing at all and null come before these.
const BEFORE_DATES: [&str; 7] = [
    "number", "string", "object", "array", "binData", "objectId", "bool",
];

/// Those that it has after dates. Nobody has ever dated anything by one of them.
const BEHIND_DATES: [&str; 3] = ["timestamp", "regex", "maxKey"];

/// A list in the order of `time`, ties broken by id.
pub(super) struct Keyset {
    /// The field of the timestamp.
    pub(super) time: &'static str,
    /// Whether the list begins with the greatest.
    pub(super) is_descending: bool,
}

/// The messages of a chat.
pub(super) const BY_CREATION: Keyset = Keyset {
    time: "created_ts",
    is_descending: false,
};

/// The bounds of a page, in the order of the index.
#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    low: Option<Edge>,
    high: Option<Edge>,
    /// Whether what is at the high bound is within.
    has_high: bool,
}

/// A row's place in the index.
#[derive(Clone, Debug, PartialEq)]
struct Edge {
    time: Time,
    id: oid::ObjectId,
}

/// What a row has for a time.
#[derive(Clone, Debug, PartialEq)]
enum Time {
    /// Null, or nothing.
    None,
    /// Something that is no date, and its place in [`BEFORE_DATES`].
    Odd(usize, Bson),
    /// A date.
    Date(i64),
}

impl Keyset {
    /// The order in which the page is read.
    pub(super) fn sort(&self, request: &PageRequest) -> Document {
        let direction = if self.is_descending == request.backward {
            1
        } else {
            -1
        };
        doc! { self.time: direction, "_id": direction }
    }

    /// The bounds of the request, of a list within `scope`. Asks the collection only about rows whose time is the moment
    /// of their id to the millisecond, which is how rows without a date are shown, and hardly any other.
    pub(super) async fn edges(
        &self,
        collection: &Documents,
        scope: &Document,
        request: &PageRequest,
    ) -> Result<Edges, StoreError> {
        let (low, high) = match self.is_descending {
            false => (request.after, request.before),
            true => (request.before, request.after),
        };
        Ok(Edges {
            low: self.edge(collection, scope, low).await?,
            high: self.edge(collection, scope, high).await?,
            has_high: false,
        })
    }

    /// The bounds of what lies at `position` and before it in the index. See [`Keyset::edges`].
    pub(super) async fn up_to(
        &self,
        collection: &Documents,
        scope: &Document,
        position: Position,
    ) -> Result<Edges, StoreError> {
        Ok(Edges {
            low: None,
            high: self.edge(collection, scope, Some(position)).await?,
            has_high: true,
        })
    }

    async fn edge(
        &self,
        collection: &Documents,
        scope: &Document,
        position: Option<Position>,
    ) -> Result<Option<Edge>, StoreError> {
        let Some(position) = position else {
            return Ok(None);
        };
        let id = stored_id(position.id);
        let mut time = Time::Date(position.at.millis());
        if position.at == minted_at(position.id) {
            let fields = doc! { self.time: 1 };
            let mut of_id = scope.clone();
            of_id.insert("_id", id);
            let row = collection.read(|collection| async move {
                let find = collection.find_one(of_id).projection(fields);
                find.max_time(ANSWER_TIMEOUT).await
            });
            // Of a row that is gone there is nothing to find out.
            if let Some(row) = row.await? {
                time = Time::of(stored_value(&row, self.time));
            }
        }
        Ok(Some(Edge { time, id }))
    }

    /// The rows of `scope` within the edges; `None` if there cannot be any. Only rows with an id that a position can
    /// name, lest a page of nothing else has no way to the next.
    pub(super) fn filter(&self, scope: &Document, edges: &Edges) -> Option<Document> {
        let mut scope = scope.clone();
        scope.insert("_id", is_id());
        let within = |range: Document| scope.clone().into_iter().chain(range).collect::<Document>();
        let mut ranges = self.ranges(edges).into_iter().map(within);
        match ranges.len() {
            0 | 1 => ranges.next(),
            // An `$or` at the root is planned branch by branch, and the branches' orders are merged.
            _ => Some(doc! { "$or": ranges.collect::<Vec<_>>() }),
        }
    }

    /// The edges as a condition to put beside others, for a list that another index is read for; `None` if nothing can
    /// be within them.
    pub(super) fn bounds(&self, edges: &Edges) -> Option<Document> {
        let mut ranges = self.ranges(edges);
        match ranges.len() {
            0 | 1 => ranges.pop(),
            _ => Some(doc! { "$or": ranges }),
        }
    }

    /// What lies within the edges, as ranges of the index that do not overlap.
    fn ranges(&self, edges: &Edges) -> Vec<Document> {
        match (&edges.low, &edges.high) {
            (None, None) => vec![doc! {}],
            (Some(low), None) => self.above(low),
            (None, Some(high)) => self.below(high, edges.has_high),
            (Some(low), Some(high)) => match (&low.time, &high.time) {
                (Time::Date(from), Time::Date(to)) => self.between((*from, low.id), (*to, high.id)),
                _ => vec![doc! { "$and": [{ "$or": self.above(low) }, { "$or": self.below(high, false) }] }],
            },
        }
    }

    fn above(&self, edge: &Edge) -> Vec<Document> {
        let time = edge.time.stored();
        let mut ranges = vec![doc! { self.time: time.clone(), "_id": { "$gt": edge.id } }];
        if edge.time != Time::None {
            // Compares with what is of the same type.
            ranges.push(doc! { self.time: { "$gt": time } });
        }
        let place = match edge.time {
            Time::None => Some(0),
            Time::Odd(place, _) => Some(place + 1),
            Time::Date(_) => None,
        };
        if let Some(later) = place.and_then(|place| BEFORE_DATES.get(place..)) {
            let later: Vec<_> = later.iter().copied().chain(["date"]).collect();
            ranges.push(doc! { self.time: { "$type": later } });
        }
        ranges
    }

    fn below(&self, edge: &Edge, has_edge: bool) -> Vec<Document> {
        let time = edge.time.stored();
        let less = if has_edge { "$lte" } else { "$lt" };
        let mut ranges = vec![doc! { self.time: time.clone(), "_id": { less: edge.id } }];
        match edge.time {
            Time::None => {}
            Time::Odd(place, _) => {
                ranges.push(doc! { self.time: { "$lt": time } });
                ranges.push(doc! { self.time: Bson::Null });
                if let Some(earlier) = BEFORE_DATES.get(..place).filter(|earlier| !earlier.is_empty()) {
                    ranges.push(doc! { self.time: { "$type": earlier } });
                }
            }
            Time::Date(_) => {
                ranges.push(doc! { self.time: { "$lt": time } });
                // In the index that is what lies before all dates and what lies behind them.
                let no_date = doc! { "$not": { "$gte": DateTime::MIN } };
                let behind = doc! { self.time: { "$type": &BEHIND_DATES[..] } };
                ranges.push(doc! { self.time: no_date, "$nor": [behind] });
            }
        }
        ranges
    }

    fn between(&self, low: (i64, oid::ObjectId), high: (i64, oid::ObjectId)) -> Vec<Document> {
        if low >= high {
            return Vec::new();
        }
        let ((from, after), (to, before)) = (low, high);
        let date = |millis| Bson::from(DateTime::from_millis(millis));
        if from == to {
            return vec![doc! { self.time: date(from), "_id": { "$gt": after, "$lt": before } }];
        }
        vec![
            doc! { self.time: date(from), "_id": { "$gt": after } },
            doc! { self.time: date(to), "_id": { "$lt": before } },
            doc! { self.time: { "$gt": date(from), "$lt": date(to) } },
        ]
    }
}

impl Time {
    fn of(stored: Option<Bson>) -> Self {
        let kind = match &stored {
            Some(Bson::DateTime(date)) => return Self::Date(date.timestamp_millis()),
            Some(Bson::Double(_) | Bson::Int32(_) | Bson::Int64(_) | Bson::Decimal128(_)) => "number",
            Some(Bson::String(_) | Bson::Symbol(_)) => "string",
            Some(Bson::Document(_)) => "object",
            Some(Bson::Array(_)) => "array",
            Some(Bson::Binary(_)) => "binData",
            Some(Bson::ObjectId(_)) => "objectId",
            Some(Bson::Boolean(_)) => "bool",
            Some(Bson::Timestamp(_) | Bson::RegularExpression(_) | Bson::MaxKey) => {
                return Self::Date(i64::MAX);
            }
            _ => return Self::None,
        };
        let place = BEFORE_DATES.iter().position(|known| *known == kind);
        match (place, stored) {
            (Some(place), Some(stored)) => Self::Odd(place, stored),
            _ => Self::None,
        }
    }

    fn stored(&self) -> Bson {
        match self {
            Self::None => Bson::Null,
            Self::Odd(_, stored) => stored.clone(),
            Self::Date(millis) => DateTime::from_millis(*millis).into(),
        }
    }
}

/// Whether an id is one that can be read.
pub(super) fn is_id() -> Document {
    doc! { "$type": "objectId" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: Keyset = Keyset {
        time: "t",
        is_descending: false,
    };

    fn edge(time: Option<Bson>, id: u8) -> Option<Edge> {
        Some(Edge {
            time: Time::of(time),
            id: oid::ObjectId::from_bytes([id; 12]),
        })
    }

    fn at(millis: i64, id: u8) -> Option<Edge> {
        edge(Some(DateTime::from_millis(millis).into()), id)
    }

    fn branches(low: Option<Edge>, high: Option<Edge>) -> Option<usize> {
        let edges = Edges {
            low,
            high,
            has_high: false,
        };
        let filter = LIST.filter(&doc! { "c": 1 }, &edges)?;
        Some(filter.get_array("$or").map_or(1, Vec::len))
    }

    #[test]
    fn a_list_is_cut_into_as_few_ranges_as_its_bounds_need() {
        assert_eq!(branches(None, None), Some(1));
        assert_eq!(branches(at(1, 1), None), Some(2));
        assert_eq!(branches(None, at(1, 1)), Some(3));
        assert_eq!(branches(at(1, 1), at(2, 1)), Some(3));
        assert_eq!(branches(at(1, 1), at(1, 2)), Some(1));
        assert_eq!(branches(at(1, 1), at(1, 1)), None);
        assert_eq!(branches(at(2, 1), at(1, 1)), None);
    }

    #[test]
    fn what_has_no_date_lies_before_all_dates_and_nothing_of_it_is_passed_over() {
        let of_text = || edge(Some("yesterday".into()), 1);
        assert_eq!(branches(edge(None, 1), None), Some(2));
        assert_eq!(branches(None, edge(Some(Bson::Null), 1)), Some(1));
        assert_eq!(branches(of_text(), None), Some(3));
        assert_eq!(branches(None, of_text()), Some(4));
        assert_eq!(branches(None, edge(Some(7.into()), 1)), Some(3));
    }

    #[test]
    fn a_backward_page_is_read_against_the_order_of_its_list() {
        assert_eq!(LIST.sort(&PageRequest::first(1)), doc! { "t": 1, "_id": 1 });
        assert_eq!(LIST.sort(&PageRequest::last(1)), doc! { "t": -1, "_id": -1 });
    }
}
