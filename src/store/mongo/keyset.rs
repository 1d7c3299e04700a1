//! Where a page lies in a list, in conditions that an index over (`…`, time, `_id`) answers without reading a key
//! beyond the page, however many rows share one time.

use mongodb::bson::{Document, doc};

use super::fields::{stored_date, stored_id};
use crate::domain::PageRequest;

/// A list in the order of `time`, ties broken by id.
pub(super) struct Keyset {
    /// The field of the timestamp.
    pub(super) time: &'static str,
    /// Whether the list begins with the greatest.
    pub(super) is_descending: bool,
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

    /// The rows of `scope` within the bounds of the request; `None` if there cannot be any.
    pub(super) fn filter(&self, scope: &Document, request: &PageRequest) -> Option<Document> {
        let within = |range: Document| scope.clone().into_iter().chain(range).collect::<Document>();
        let mut ranges = self.ranges(request).into_iter().map(within);
        match ranges.len() {
            0 | 1 => ranges.next(),
            // An `$or` at the root is planned branch by branch, and the branches' orders are merged.
            _ => Some(doc! { "$or": ranges.collect::<Vec<_>>() }),
        }
    }

    /// The bounds of the request as a condition to put beside others, for a list that another index is read for;
    /// `None` if nothing can be within them.
    pub(super) fn bounds(&self, request: &PageRequest) -> Option<Document> {
        let mut ranges = self.ranges(request);
        match ranges.len() {
            0 | 1 => ranges.pop(),
            _ => Some(doc! { "$or": ranges }),
        }
    }

    /// What lies within the bounds of the request, as ranges of the index that do not overlap.
    fn ranges(&self, request: &PageRequest) -> Vec<Document> {
        let (low, high) = match self.is_descending {
            false => (request.after, request.before),
            true => (request.before, request.after),
        };
        if let (Some(low), Some(high)) = (low, high) {
            if low >= high {
                return Vec::new();
            }
            if low.at == high.at {
                let ids = doc! { "$gt": stored_id(low.id), "$lt": stored_id(high.id) };
                return vec![doc! { self.time: stored_date(low.at), "_id": ids }];
            }
        }
        let mut between = Document::new();
        let mut ranges = Vec::new();
        if let Some(low) = low {
            between.insert("$gt", stored_date(low.at));
            ranges.push(doc! { self.time: stored_date(low.at), "_id": { "$gt": stored_id(low.id) } });
        }
        if let Some(high) = high {
            between.insert("$lt", stored_date(high.at));
            ranges.push(doc! { self.time: stored_date(high.at), "_id": { "$lt": stored_id(high.id) } });
        }
        ranges.push(if between.is_empty() {
            between
        } else {
            doc! { self.time: between }
        });
        ranges
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ObjectId, Position, Timestamp};

    const LIST: Keyset = Keyset {
        time: "t",
        is_descending: false,
    };

    fn at(millis: i64, id: u8) -> Option<Position> {
        Some(Position {
            at: Timestamp::from_millis(millis),
            id: ObjectId::from_bytes([id; 12]),
        })
    }

    fn branches(list: &Keyset, after: Option<Position>, before: Option<Position>) -> Option<usize> {
        let filter = list.filter(
            &doc! { "c": 1 },
            &PageRequest {
                after,
                before,
                ..PageRequest::first(1)
            },
        )?;
        Some(filter.get_array("$or").map_or(1, Vec::len))
    }

    #[test]
    fn a_list_is_cut_into_as_few_ranges_as_its_bounds_need() {
        assert_eq!(branches(&LIST, None, None), Some(1));
        assert_eq!(branches(&LIST, at(1, 1), None), Some(2));
        assert_eq!(branches(&LIST, at(1, 1), at(2, 1)), Some(3));
        assert_eq!(branches(&LIST, at(1, 1), at(1, 2)), Some(1));
        assert_eq!(branches(&LIST, at(1, 1), at(1, 1)), None);
        assert_eq!(
            branches(
                &Keyset {
                    is_descending: true,
                    ..LIST
                },
                at(1, 1),
                at(2, 1)
            ),
            None
        );
    }

    #[test]
    fn a_backward_page_is_read_against_the_order_of_its_list() {
        assert_eq!(LIST.sort(&PageRequest::first(1)), doc! { "t": 1, "_id": 1 });
        assert_eq!(LIST.sort(&PageRequest::last(1)), doc! { "t": -1, "_id": -1 });
    }
}
