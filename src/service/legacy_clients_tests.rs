use super::*;

use crate::domain::{ClientKey, MessageId, Reply};

#[test]
fn a_message_came_when_its_id_was_minted_where_its_date_is_of_another_time() {
    let seconds = 1_700_000_000_u32;
    let at = |millis: i64| Timestamp::from_millis(i64::from(seconds) * 1_000 + millis);
    let dated = |created_at| {
        let mut id = [7; 12];
        id[..4].copy_from_slice(&seconds.to_be_bytes());
        let (id, chat) = (ObjectId::from_bytes(id), ObjectId::from_bytes([1; 12]));
        let text = "yes".to_owned();
        Message::plain(MessageId(id), ChatId(chat), Author::User, text, created_at)
    };
    for (created_at, came_at) in [
        (at(0), at(0)),
        (at(999), at(999)),
        (at(1_200), at(1_200)),
        (at(5 * 3_600_000), at(0)),
        (at(-3_600_000), at(0)),
    ] {
        let message = dated(created_at);
        assert_eq!(super::came_at(&message), came_at);
        for (later, is_near) in [(-2_001, false), (-2_000, true), (2_000, true), (2_001, false)] {
            let now = came_at.plus_millis(later);
            assert_eq!(
                came_a_moment_ago(&message, now),
                is_near,
                "{created_at:?} {later}"
            );
        }
    }
}

#[test]
fn a_title_is_the_beginning_of_a_text_in_whole_characters() {
    let devanagari = "क".repeat(51);
    let cut = format!("{}...", "क".repeat(50));
    assert_eq!(title_of(&devanagari), Some(cut));
    assert_eq!(title_of("Hello"), Some("Hello".to_owned()));
    assert_eq!(title_of(" \n "), None);
}

/// A user's message of this moment.
fn message(n: u8) -> Message {
    // Minted in the second in which it is dated.
    let id = ObjectId::from_bytes([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]);
    let (chat, text) = (ObjectId::from_bytes([1; 12]), "Hello".to_owned());
    Message::plain(
        MessageId(id),
        ChatId(chat),
        Author::User,
        text,
        Timestamp::from_millis(0),
    )
}

/// A text as two servers stored it that both looked before either stored: as posted, as sent with a reply, and that.
fn stored_twice() -> [Message; 3] {
    let (posted, mut sent, mut reply) = (message(2), message(3), message(4));
    sent.reply_id = Some(reply.id);
    reply.author = Author::Bot;
    let mut begun = Reply::begun("a server".to_owned(), reply.created_at);
    begun.in_reply_to = Some(sent.id);
    reply.reply = Some(begun);
    [posted, sent, reply]
}

#[test]
fn of_a_text_that_was_stored_twice_at_once_both_servers_choose_the_posted_one_to_go() {
    let now = Timestamp::from_millis(10);
    let recent = stored_twice();
    let [posted_one, sent_one, _] = &recent;
    assert_eq!(replacement(&recent, posted_one, now), Some(sent_one));
    assert_eq!(posted(&recent, &sent_one.text, now), Some(posted_one));
    // Where it is gone already, or another text was posted, nothing is to go.
    assert_eq!(posted(&recent[1..], &sent_one.text, now), None);
    assert_eq!(posted(&recent, "Hello!", now), None);
}

#[test]
fn a_posted_message_with_a_client_key_stays() {
    let mut recent = stored_twice();
    recent[0].client_key = ClientKey::parse("k1");
    assert_eq!(posted(&recent, "Hello", Timestamp::from_millis(10)), None);
}

#[test]
fn a_posted_message_that_is_answered_stays() {
    let now = Timestamp::from_millis(10);
    let mut recent = stored_twice();
    let id = recent[0].id;
    recent[2].reply.as_mut().unwrap().in_reply_to = Some(id);
    assert_eq!(replacement(&recent, &recent[0], now), None);
    assert_eq!(posted(&recent, "Hello", now), None);
}
