//! What a caller may ask for, in one place: each with its unit, its default and its reason.

/// The bounds on what comes from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Characters of a chat's title: it is shown in one line. Default 200.
    pub title_chars_max: usize,
    /// Whether a title, a text or a label may be empty or all blanks: it says nothing. Default no.
    pub takes_blanks: bool,
    /// Bytes of a message's text: a long prompt with room to spare. Default 32 KiB.
    pub text_bytes_max: usize,
    /// Characters of a status, a type or a reaction: labels. Default 64.
    pub label_chars_max: usize,
    /// Items of a page: a screen or two. Default 100.
    pub page_size_max: usize,
    /// Items of a page of chats where the caller says none. Default 20.
    pub chats_page_size: usize,
    /// Items of a page of messages where the caller says none. Default 50.
    pub messages_page_size: usize,
    /// Bytes of an HTTP body and of a WebSocket message. Default 256 KiB.
    pub body_bytes_max: usize,
    /// Brackets that may be open at once in a document, which the parser would follow on its stack. Default 64.
    pub nesting_max: usize,
    /// Fields that a document has once its fragments are expanded. Default 3000.
    pub fields_max: usize,
    /// Fields below fields. The introspection query of GraphiQL needs 15. Default 16.
    pub depth_max: usize,
    /// The sum of all fields, each list counted as many times as the page asks for. Default 60000.
    pub complexity_max: usize,
    /// Directives on one field. Default 8.
    pub directives_max: usize,
    /// Operations that one WebSocket may have under way. Default 100.
    pub operations_per_socket_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            title_chars_max: 200,
            takes_blanks: false,
            text_bytes_max: 32 * 1024,
            label_chars_max: 64,
            page_size_max: 100,
            chats_page_size: 20,
            messages_page_size: 50,
            body_bytes_max: 256 * 1024,
            nesting_max: 64,
            fields_max: 3_000,
            depth_max: 16,
            complexity_max: 60_000,
            directives_max: 8,
            operations_per_socket_max: 100,
        }
    }
}

impl Limits {
    /// The bounds of the documented REST API and socket: those systems had none, so a text of a megabyte still fits,
    /// and anything may be blank. Everything else stays as it is.
    pub fn documented(&self) -> Self {
        Self {
            title_chars_max: DOCUMENTED_TEXT_BYTES_MAX,
            takes_blanks: true,
            text_bytes_max: DOCUMENTED_TEXT_BYTES_MAX,
            label_chars_max: DOCUMENTED_TEXT_BYTES_MAX,
            body_bytes_max: DOCUMENTED_BODY_BYTES_MAX,
            ..self.clone()
        }
    }
}

/// Bytes of a title, a text or a label on the documented faces.
const DOCUMENTED_TEXT_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of a body or frame on the documented faces: such a text with every character escaped.
const DOCUMENTED_BODY_BYTES_MAX: usize = 8 * 1024 * 1024;
