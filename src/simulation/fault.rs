//! Faults that can be put back on purpose: the proof that the simulation sees them.

use std::cell::Cell;

/// A way in which the product, or what it stands on, once was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A server knows only the oldest of the replies that are under way in a chat.
    OnlyTheOldest,
    /// The bound of replies under way is not the chat's.
    NoBound,
    /// What a deleted chat leaves behind is not removed.
    NoSweep,
    /// Whoever sends a prompt again takes its reply for its own.
    JoinedIsBegun,
    /// A prompt is stored, and its reply is not.
    HalfStored,
    /// A reply whose prompt was never stored is ended, and not removed.
    HalfIsKept,
    /// What was refused is stored.
    RefusedButStored,
    /// The bot is asked although the prompt was deleted: what stands before it.
    DeletedPromptStays,
    /// The bot is given what was written after its prompt as well.
    HistoryGoesOn,
    /// A stop is acknowledged and not stored.
    StopNotStored,
    /// A reply that is deleted before it ends has no bill.
    BillLost,
    /// A message gets the moment that its server's clock says, whatever is in the chat.
    ClocksDecide,
    /// A feed that comes back older goes on where it was.
    OldRunContinued,
    /// Events are not published.
    DroppedEvents,
    /// An event is passed on with its content although a later one of the same message or chat may have come before it.
    ContentKept,
    /// A server ends without waiting for its last events to be carried.
    NothingFlushed,
    /// The client key of a regeneration is not stored.
    KeyNotStored,
    /// Whoever reads a reply from the store finds it streaming, although it has ended.
    EndsNotRead,
    /// The end of a reply is passed on twice to whoever follows it.
    EndToldAgain,
    /// The end of a reply tells nothing of the reaction to it.
    ReactionLost,
    /// Nobody notices that a server has died with events in its hands.
    DeathUnnoticed,
    /// A reply that is shown from its beginning again has no reaction any more.
    ReactionTakenBack,
    /// A part of a reply's text does not reach whoever follows it.
    PartialLost,
}

thread_local! {
    static PUT_BACK: Cell<Option<Fault>> = const { Cell::new(None) };
}

/// Puts one fault back on this thread, or none.
pub fn put_back(fault: Option<Fault>) {
    PUT_BACK.set(fault);
}

/// Whether a fault is there.
pub fn is_put_back(fault: Fault) -> bool {
    PUT_BACK.get() == Some(fault)
}
