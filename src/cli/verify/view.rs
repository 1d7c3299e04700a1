//! The documented rule for a reply's text, as one reader applies it: a snapshot replaces, a partial appends, the end
//! ends. No I/O.

use super::ledger::Told;
use crate::cli::client::ReplyState;
use crate::domain::Timestamp;

/// How a reader came by the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// The subscription `reply`.
    Reply,
    /// The subscription `chat`.
    Chat,
    /// The frames of the documented socket.
    Frames,
}

impl Face {
    /// What to call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "a subscriber of the reply",
            Self::Chat => "a subscriber of the chat",
            Self::Frames => "a reader of mt frames",
        }
    }
}

/// What one reader was shown of one reply.
#[derive(Clone, Debug)]
pub struct View {
    /// The reply.
    pub reply: String,
    /// How it came.
    pub face: Face,
    /// What was assembled.
    pub text: String,
    /// How many bytes there were when.
    pub shown: Vec<(Timestamp, usize)>,
    /// The server on the other end of the line.
    pub server: usize,
    /// What was last shown.
    pub last: Option<Told>,
    /// How it ended.
    pub state: Option<ReplyState>,
    /// Whether a server said that there is no such reply.
    pub is_gone: bool,
    /// What cannot be explained.
    pub faults: Vec<String>,
    /// How often the line broke.
    pub breaks: usize,
    /// How often it went on behind its cursor without a snapshot.
    pub resumed: usize,
    /// Whether nothing came yet since the line broke.
    is_fresh: bool,
}

impl View {
    /// A reader that was shown nothing yet.
    pub fn new(reply: String, face: Face) -> Self {
        Self {
            reply,
            face,
            text: String::new(),
            shown: Vec::new(),
            server: 0,
            last: None,
            state: None,
            is_gone: false,
            faults: Vec::new(),
            breaks: 0,
            resumed: 0,
            is_fresh: false,
        }
    }

    /// The text is another, or told from its beginning.
    pub fn snapshot(&mut self, at: Timestamp, text: &str) {
        self.is_fresh = false;
        text.clone_into(&mut self.text);
        self.show(at);
    }

    /// The text goes on.
    pub fn partial(&mut self, at: Timestamp, text: &str) {
        self.resumed += usize::from(std::mem::take(&mut self.is_fresh));
        self.text.push_str(text);
        self.show(at);
    }

    fn show(&mut self, at: Timestamp) {
        self.shown.push((at, self.text.len()));
        let server = self.server;
        self.last = Some(Told { server, at });
    }

    /// [`View::partial`], said to begin at a byte.
    pub fn partial_at(&mut self, at: Timestamp, offset: usize, text: &str) {
        if offset != self.text.len() {
            let length = self.text.len();
            self.fault(format!("a piece for byte {offset} came when there were {length}"));
        }
        self.partial(at, text);
    }

    /// There is no more of it. `text` is what the server says it is, if it says so.
    pub fn end(&mut self, state: ReplyState, text: Option<&str>) {
        if let Some(text) = text
            && text != self.text
        {
            let difference = difference(&self.text, text);
            self.fault(format!(
                "the end tells another text than was assembled: {difference}"
            ));
        }
        self.state = Some(state);
    }

    /// The line broke.
    pub fn broke(&mut self) {
        self.breaks += 1;
        self.is_fresh = !self.text.is_empty();
    }

    /// Something that cannot be explained. The first few say enough.
    pub fn fault(&mut self, what: String) {
        if self.faults.len() < 3 {
            self.faults.push(what);
        }
    }

    /// How many bytes had been shown at a moment at the most.
    pub fn shown_by(&self, moment: Timestamp) -> usize {
        let before = self.shown.iter().take_while(|(at, _)| *at <= moment);
        before.map(|(_, bytes)| *bytes).max().unwrap_or_default()
    }
}

/// How much of two texts is told around the place where they part.
const EXCERPT_CHARS: usize = 24;

/// Where two texts part, and what stands there.
pub fn difference(one: &str, other: &str) -> String {
    let same = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
    let at = same.map_or(one.len().min(other.len()), |((at, _), _)| at);
    let excerpt = |text: &str| -> String {
        let rest = text.get(at..).unwrap_or_default();
        rest.chars().take(EXCERPT_CHARS).collect()
    };
    format!(
        "from byte {at} {:?} of {} bytes instead of {:?} of {}",
        excerpt(one),
        one.len(),
        excerpt(other),
        other.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_millis(1);

    #[test]
    fn a_text_is_what_its_snapshots_and_partials_make_it() {
        let mut view = View::new("r".to_owned(), Face::Reply);
        view.snapshot(AT, "one ");
        view.partial(Timestamp::from_millis(5), "two");
        view.broke();
        view.partial(Timestamp::from_millis(7), " three");
        view.broke();
        view.snapshot(Timestamp::from_millis(9), "one two");
        view.end(ReplyState::Interrupted, Some("one two"));
        assert_eq!((view.faults.len(), view.breaks, view.resumed), (0, 2, 1));
        let shown = [0, 1, 6, 8, 9].map(|at| view.shown_by(Timestamp::from_millis(at)));
        assert_eq!(shown, [0, 4, 7, 13, 13]);
    }

    #[test]
    fn a_hole_a_doubled_piece_and_another_end_are_faults() {
        let mut view = View::new("r".to_owned(), Face::Frames);
        view.snapshot(AT, "");
        view.partial_at(AT, 0, "नम");
        view.partial_at(AT, 0, "नम");
        view.partial_at(AT, 13, "!");
        assert_eq!(view.faults.len(), 2, "{:?}", view.faults);
        let mut view = View::new("r".to_owned(), Face::Chat);
        view.partial(AT, "नमस");
        view.end(ReplyState::Complete, Some("नमः"));
        let fault = "the end tells another text than was assembled: \
                     from byte 6 \"स\" of 9 bytes instead of \"ः\" of 9";
        assert_eq!(view.faults, [fault]);
    }
}
