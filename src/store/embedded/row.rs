//! Domain types as rows, and rows as domain types.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, Value, ValueRef};
use rusqlite::{Result, Row, Rows, ToSql};

use super::error::is_unreadable;
use crate::domain::{
    Author, Chat, ChatId, ChatStatus, ClientKey, DocumentId, Message, MessageId, ObjectId, Page, PageRequest,
    Reply, ReplyError, ReplyState, StopRequest, Timestamp, TokenCount, Usage, UserId,
};
use crate::telemetry::causes::causes;

impl ToSql for ObjectId {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Owned(Value::Blob(self.bytes().to_vec())))
    }
}

impl FromSql for ObjectId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        <[u8; 12]>::column_result(value).map(Self::from_bytes)
    }
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.millis().into())
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        i64::column_result(value).map(Self::from_millis)
    }
}

impl From<&UserId> for Value {
    fn from(user: &UserId) -> Self {
        match user {
            UserId::Int(id) => Self::Integer(*id),
            UserId::Text(id) => Self::Text(id.clone()),
        }
    }
}

impl FromSql for UserId {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        match value {
            ValueRef::Integer(id) => Ok(Self::Int(id)),
            ValueRef::Text(_) => String::column_result(value).map(Self::Text),
            _ => Err(FromSqlError::InvalidType),
        }
    }
}

impl ToSql for ReplyState {
    fn to_sql(&self) -> Result<ToSqlOutput<'_>> {
        Ok(self.name().into())
    }
}

impl FromSql for ReplyState {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::from_name(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

impl FromSql for ClientKey {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

/// Up to `length_max` of the rows that can be read. No more rows are fetched than that takes.
pub(super) fn read_list<T>(
    mut rows: Rows<'_>,
    read: fn(&Row<'_>) -> Result<T>,
    length_max: usize,
) -> Result<Vec<T>> {
    let mut items = Vec::new();
    while items.len() < length_max
        && let Some(row) = rows.next()?
    {
        items.extend(read_or_warn(row, read)?);
    }
    Ok(items)
}

/// A page of what a statement of [`super::keyset::Keyset::statement`] yields.
pub(super) fn read_page<T>(
    rows: Rows<'_>,
    read: fn(&Row<'_>) -> Result<T>,
    request: &PageRequest,
) -> Result<Page<T>> {
    let items = read_list(rows, read, request.size.saturating_add(1))?;
    Ok(Page::from_read(items, request))
}

/// What a row of a list holds; `None` if it cannot be read, so that one such row does not cost the others.
pub(super) fn read_or_warn<T>(row: &Row<'_>, read: fn(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
    match read(row) {
        Err(error) if is_unreadable(&error) => {
            let id = row.get::<_, ObjectId>("id").map(|id| id.to_string());
            let id = id.unwrap_or_else(|_| "unreadable".to_owned());
            tracing::warn!(id, error = %causes(&error), "left out of a list");
            Ok(None)
        }
        read => read.map(Some),
    }
}

/// The columns that [`read_chat`] reads, in its order.
pub(super) const CHAT_COLUMNS: &str = "id, user_id, document_id, title, status, created_at, updated_at";

/// A chat of a row of [`CHAT_COLUMNS`].
pub(super) fn read_chat(row: &Row<'_>) -> Result<Chat> {
    let mut columns = Columns { row, next: 0 };
    Ok(Chat {
        id: ChatId(columns.read()?),
        user_id: columns.read()?,
        document_id: columns.read::<Option<_>>()?.map(DocumentId),
        title: columns.read()?,
        status: ChatStatus(columns.read()?),
        created_at: columns.read()?,
        updated_at: columns.read()?,
    })
}

/// The columns that [`read_message`] reads and [`message_values`] gives, in their order.
pub(super) const MESSAGE_COLUMNS: &str = "id, chat_id, is_bot, kind, reaction, token_count, token_is_estimated, \
    is_edited, citation, created_at, updated_at, client_key, reply_id, reply_state, in_reply_to, owner, lease_until, \
    stop_requested_at, stop_requested_by, regenerates, model, prompt_tokens, prompt_is_estimated, completion_tokens, \
    completion_is_estimated, started_at, first_piece_at, upstream_closed_at, finished_at, overhead_us, error_code, \
    error_message, reasoning, text";

/// A message of a row of [`MESSAGE_COLUMNS`].
pub(super) fn read_message(row: &Row<'_>) -> Result<Message> {
    let mut columns = Columns { row, next: 0 };
    Ok(Message {
        id: MessageId(columns.read()?),
        chat_id: ChatId(columns.read()?),
        author: Author::from_is_bot(columns.read()?),
        kind: columns.read()?,
        reaction: columns.read()?,
        token_count: read_count(&mut columns)?,
        is_edited: columns.read()?,
        citation: columns.read()?,
        created_at: columns.read()?,
        updated_at: columns.read()?,
        client_key: columns.read()?,
        reply_id: columns.read::<Option<_>>()?.map(MessageId),
        reply: read_reply(&mut columns)?,
        text: columns.read()?,
    })
}

fn read_reply(columns: &mut Columns<'_>) -> Result<Option<Reply>> {
    let Some(state) = columns.read()? else {
        columns.next += REPLY_VALUES - 1;
        return Ok(None);
    };
    Ok(Some(Reply {
        state,
        in_reply_to: columns.read::<Option<_>>()?.map(MessageId),
        owner: columns.read()?,
        lease_until: columns.read()?,
        stop: match (columns.read()?, columns.read()?) {
            (Some(at), Some(by)) => Some(StopRequest { at, by }),
            _ => None,
        },
        regenerates: columns.read::<Option<_>>()?.map(MessageId),
        model: columns.read()?,
        usage: read_usage(columns)?,
        started_at: columns.read()?,
        first_piece_at: columns.read()?,
        upstream_closed_at: columns.read()?,
        finished_at: columns.read()?,
        overhead_us: columns.read()?,
        error: match (columns.read()?, columns.read::<Option<_>>()?) {
            (Some(code), message) => Some(ReplyError {
                code,
                message: message.unwrap_or_default(),
            }),
            (None, _) => None,
        },
        reasoning: columns.read()?,
    }))
}

fn read_usage(columns: &mut Columns<'_>) -> Result<Option<Usage>> {
    let (prompt, completion) = (read_count(columns)?, read_count(columns)?);
    Ok(prompt
        .zip(completion)
        .map(|(prompt, completion)| Usage { prompt, completion }))
}

fn read_count(columns: &mut Columns<'_>) -> Result<Option<TokenCount>> {
    let (tokens, is_estimated): (Option<_>, Option<_>) = (columns.read()?, columns.read()?);
    Ok(tokens.map(|tokens| TokenCount {
        tokens,
        is_estimated: is_estimated.unwrap_or_default(),
    }))
}

/// A message as the values of [`MESSAGE_COLUMNS`].
pub(super) fn message_values(message: &Message) -> Vec<Value> {
    let [tokens, is_estimated] = count_values(message.token_count);
    let mut values = vec![
        id(message.id.0),
        id(message.chat_id.0),
        message.author.is_bot().into(),
        message.kind.clone().into(),
        message.reaction.clone().into(),
        tokens,
        is_estimated,
        message.is_edited.into(),
        message.citation.clone().into(),
        message.created_at.millis().into(),
        message.updated_at.millis().into(),
        message
            .client_key
            .as_ref()
            .map(|key| key.as_str().to_owned())
            .into(),
        message.reply_id.map(|reply| id(reply.0)).into(),
    ];
    match &message.reply {
        Some(reply) => values.extend(reply_values(reply)),
        None => values.extend([const { Value::Null }; REPLY_VALUES]),
    }
    values.push(message.text.clone().into());
    values
}

/// How many columns a reply takes.
const REPLY_VALUES: usize = 20;

fn reply_values(reply: &Reply) -> [Value; REPLY_VALUES] {
    let [prompt, prompt_is_estimated, completion, completion_is_estimated] = usage_values(reply.usage);
    let [error_code, error_message] = error_values(reply.error.as_ref());
    let [stopped_at, stopped_by] = stop_values(reply.stop.as_ref());
    [
        reply.state.name().to_owned().into(),
        reply.in_reply_to.map(|message| id(message.0)).into(),
        reply.owner.clone().into(),
        reply.lease_until.millis().into(),
        stopped_at,
        stopped_by,
        reply.regenerates.map(|message| id(message.0)).into(),
        reply.model.clone().into(),
        prompt,
        prompt_is_estimated,
        completion,
        completion_is_estimated,
        time(reply.started_at),
        time(reply.first_piece_at),
        time(reply.upstream_closed_at),
        time(reply.finished_at),
        reply.overhead_us.into(),
        error_code,
        error_message,
        reply.reasoning.clone().into(),
    ]
}

/// An id as a value.
pub(super) fn id(id: ObjectId) -> Value {
    Value::Blob(id.bytes().to_vec())
}

/// A moment as a value.
pub(super) fn time(time: Option<Timestamp>) -> Value {
    time.map(Timestamp::millis).into()
}

/// What a reply cost, as the values of its four columns.
pub(super) fn usage_values(usage: Option<Usage>) -> [Value; 4] {
    let [prompt, prompt_is_estimated] = count_values(usage.map(|usage| usage.prompt));
    let [completion, completion_is_estimated] = count_values(usage.map(|usage| usage.completion));
    [prompt, prompt_is_estimated, completion, completion_is_estimated]
}

/// A number of tokens, as the values of its two columns.
pub(super) fn count_values(count: Option<TokenCount>) -> [Value; 2] {
    [
        count.map(|count| count.tokens).into(),
        count.map(|count| count.is_estimated).into(),
    ]
}

/// Who asked a reply to stop, as the values of its two columns.
pub(super) fn stop_values(stop: Option<&StopRequest>) -> [Value; 2] {
    [
        time(stop.map(|stop| stop.at)),
        stop.map_or(Value::Null, |stop| (&stop.by).into()),
    ]
}

/// Why a reply failed, as the values of its two columns.
pub(super) fn error_values(error: Option<&ReplyError>) -> [Value; 2] {
    [
        error.map(|error| error.code.clone()).into(),
        error.map(|error| error.message.clone()).into(),
    ]
}

/// The columns of a row, read one after the other.
struct Columns<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl Columns<'_> {
    fn read<T: FromSql>(&mut self) -> Result<T> {
        let value = self.row.get(self.next);
        self.next += 1;
        value
    }
}
