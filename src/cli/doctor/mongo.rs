//! MongoDB: the server, what the user may do, and the indexes.

use super::finding::Finding;
use crate::store::StoreError;
use crate::store::inspection::{
    Index, IndexConflict, IndexReview, MongoInspection, MongoPlace, MongoState, Topology,
};
use crate::telemetry::causes::causes;

/// The first version that has all that is asked of it (`$dateTrunc`, of the usage figures).
const VERSION_MIN: u32 = 5;
/// The first version that the tests are run against.
const VERSION_TESTED: u32 = 6;

/// What to say about a MongoDB.
pub fn findings(looked: &MongoInspection) -> Vec<Finding> {
    let state = match &looked.state {
        Ok(state) => state,
        Err(error) => return vec![unreachable(looked.place.as_ref(), error)],
    };
    let place = looked.place.clone().unwrap_or_default();
    let mut findings = vec![version(&place, state), copies(state)];
    findings.extend(rights(state));
    findings.extend(state.indexes.iter().map(indexes));
    findings.extend(state.has_unledgered.then(unledgered));
    findings
}

fn unledgered() -> Finding {
    Finding::warning(
        "usage",
        "some stored replies are not in the ledger, so neither `usage` nor quotas know of them: version 0.1.0 wrote them, or \
         the ledger was restored from another moment",
    )
    .advise("run `colloquy recount` once all servers are of this version")
}

/// A server that could not be asked.
pub fn unreachable(place: Option<&MongoPlace>, error: &StoreError) -> Finding {
    let Some(place) = place else {
        return Finding::problem("store", causes(error).to_string())
            .advise("an address looks like mongodb://USER:PASSWORD@HOST:27017/DATABASE, with %XX for signs in a password");
    };
    let advice = match error {
        StoreError::Unavailable(_) => {
            "see that it runs, that this machine reaches it, and that a set's members are known by names that resolve here"
        }
        StoreError::Corrupt(_) | StoreError::Failed(_) => {
            "see that user, password and authSource are right, and that the user may read the database"
        }
    };
    let hosts = place.hosts.join(", ");
    Finding::problem("store", format!("MongoDB at {hosts}: {}", causes(error))).advise(advice)
}

fn version(place: &MongoPlace, state: &MongoState) -> Finding {
    let (hosts, database) = (place.hosts.join(", "), &place.database);
    let detail = format!("MongoDB {} at {hosts}, database {database}", state.version);
    match state.version_major {
        VERSION_TESTED.. => Finding::ok("store", detail),
        VERSION_MIN.. => Finding::warning("store", detail).advise(format!(
            "Colloquy is tested on MongoDB {VERSION_TESTED} and later"
        )),
        _ => {
            Finding::problem("store", detail).advise(format!("Colloquy needs MongoDB {VERSION_MIN} or later"))
        }
    }
}

fn copies(state: &MongoState) -> Finding {
    if !state.is_writable {
        return Finding::problem("writes", "the server takes none: it is no primary")
            .advise("name the whole replica set (replicaSet=NAME), and leave out directConnection");
    }
    match &state.topology {
        Topology::ReplicaSet(name) => Finding::ok(
            "copies",
            format!("replica set {name}: writes wait for its majority"),
        ),
        Topology::Sharded => Finding::ok("copies", "sharded: writes wait for the majority of their shard"),
        Topology::Standalone => Finding::warning(
            "copies",
            "a standalone server: what it stores is as durable as its one disk",
        )
        .advise("make it a replica set, if only of one member (--replSet), so that members can be added"),
    }
}

fn rights(state: &MongoState) -> Option<Finding> {
    (!state.rights_missing.is_empty()).then(|| {
        Finding::problem(
            "rights",
            format!("the user may not: {}", state.rights_missing.join(", ")),
        )
        .advise("grant it the role readWrite on the database")
    })
}

/// What to say about the indexes of a collection.
pub fn indexes(review: &IndexReview) -> Finding {
    let subject = format!("indexes of {}", review.collection);
    if !review.conflicts.is_empty() {
        let conflicts = review.conflicts.iter().map(conflict);
        return Finding::problem(subject, conflicts.collect::<Vec<_>>().join("; "))
            .advise("a start fails until those are dropped; see first who else uses them");
    }
    let missing: Vec<_> = review
        .documented_missing
        .iter()
        .chain(&review.added)
        .map(name)
        .collect();
    if missing.is_empty() {
        return Finding::ok(subject, format!("all {} are there", review.present.len()));
    }
    Finding::warning(subject, format!("missing: {}", missing.join(", "))).advise(
        "the next start makes them; on a large collection let `colloquy setup` do it before, at a quiet hour",
    )
}

/// Why an index cannot be made.
pub fn conflict(conflict: &IndexConflict) -> String {
    let IndexConflict { wanted, existing } = conflict;
    format!(
        "{} ({}) cannot be made beside {} ({})",
        wanted.name, wanted.keys, existing.name, existing.keys
    )
}

fn name(index: &Index) -> &str {
    &index.name
}
