// The tabs of a first visit; a later visit finds the tabs it left. GraphiQL names a tab after its operation.
// Arguments are written in place where they can be: an example is easier to read when nothing is in a second pane.

const CREATE_CHAT = `# Create a chat
#
# Run this first and copy the id it answers with: the next tab needs it.
mutation CreateChat {
  createChat(input: { title: "My first chat" }) {
    chat {
      id
      title
    }
  }
}
`;

const SEND_MESSAGE = `# Send a message
#
# Put the id of your chat into the variables below. The answer does not wait for the bot:
# it names the reply that has just begun. Copy the id of the reply's message and the
# cursor, and watch the reply grow in the next tab.
mutation SendMessage($chatId: ID!) {
  sendMessage(input: { chatId: $chatId, text: "Hello! What can you do?" }) {
    message {
      id
    }
    reply {
      id
      reply {
        state
        cursor
      }
    }
  }
}
`;

const WATCH_REPLY = `# Watch the reply
#
# Put the id of the reply's message into the variables below.
# With "after", the text resumes behind that cursor and nothing is missed or repeated:
# stop half way, paste the last cursor you saw, and run it again.
# Without it, a snapshot of the text so far comes first.
subscription WatchReply($messageId: ID!, $after: String) {
  reply(messageId: $messageId, after: $after) {
    __typename
    ... on ReplySnapshot {
      text
      cursor
    }
    ... on ReplyPartial {
      text
      cursor
    }
    ... on ReplyFinished {
      message {
        text
        reply {
          state
        }
      }
      cursor
    }
  }
}
`;

const FOLLOW_CHAT = `# Follow the whole chat
#
# Put the id of your chat into the variables below, run it, and send another message in the second tab.
# ChatResync says: read the chat, then apply what follows. Pieces of replies come as in the tab before.
subscription FollowChat($chatId: ID!, $after: String) {
  chat(id: $chatId, after: $after) {
    __typename
    ... on ChatResync {
      cursor
    }
    ... on MessageAdded {
      message {
        author
        text
      }
      cursor
    }
    ... on ReplySnapshot {
      message {
        id
      }
      text
      cursor
    }
    ... on ReplyPartial {
      messageId
      text
      cursor
    }
    ... on ReplyFinished {
      message {
        id
        reply {
          state
        }
      }
      cursor
    }
  }
}
`;

const LIST_CHATS = `# List chats
#
# For the next page, add after: "<endCursor>" to the arguments of chats.
query ListChats {
  chats(first: 20) {
    edges {
      node {
        id
        title
        messageCount
        lastMessage {
          text
        }
        messages(first: 5) {
          edges {
            node {
              author
              text
            }
          }
        }
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

const variables = (values) => JSON.stringify(values, null, 2);

export const EXAMPLES = [
  { query: CREATE_CHAT },
  { query: SEND_MESSAGE, variables: variables({ chatId: '' }) },
  { query: WATCH_REPLY, variables: variables({ messageId: '', after: null }) },
  { query: FOLLOW_CHAT, variables: variables({ chatId: '', after: null }) },
  { query: LIST_CHATS },
];
