// The page's words in English. Its shape is what every other language has to fill.

import type { ReplyState } from '../generated/operations';
import type { ERROR_CODES, FAILURE_CODES } from '../model/problem';

type ErrorCode = (typeof ERROR_CODES)[number] | 'UNREACHABLE';
type FailureCode = (typeof FAILURE_CODES)[number];

const errors: Record<ErrorCode, string> = {
  UNREACHABLE: 'The server cannot be reached. Check the connection and try again.',
  UNAUTHENTICATED: 'The server asks for a token that is valid.',
  FORBIDDEN: 'You may act for yourself only.',
  RATE_LIMITED: 'That was too much in a short time. Try again in a moment.',
  QUOTA_EXCEEDED: 'What the bot may say for you today is used up. Try again tomorrow.',
  BAD_REQUEST: 'The server did not understand the page. Reload it.',
  BODY_TOO_LARGE: 'That was too long to send at once.',
  GRAPHQL_PARSE_FAILED: 'The server did not understand the page. Reload it.',
  GRAPHQL_VALIDATION_FAILED: 'This page is older or newer than the server. Reload it.',
  PERSISTED_QUERY_NOT_FOUND: 'The server did not understand the page. Reload it.',
  PERSISTED_QUERY_HASH_MISMATCH: 'The server did not understand the page. Reload it.',
  PERSISTED_QUERY_NOT_SUPPORTED: 'The server did not understand the page. Reload it.',
  PERSISTED_QUERY_NOT_IN_LIST: 'This server runs trusted documents only, and the console is not among them.',
  QUERY_TOO_COMPLEX: 'That was too much to ask for at once.',
  BAD_USER_INPUT: 'One of the values is not allowed.',
  INVALID_ID: 'There is no such address.',
  INVALID_USER_ID: 'A user id is a whole number, or 1 to 255 bytes of text.',
  INVALID_TITLE: 'A title needs 1 to 200 characters.',
  INVALID_TEXT: 'A message needs some text, and no more than 32 KiB of it.',
  INVALID_LABEL: 'A reaction needs 1 to 64 characters.',
  INVALID_CLIENT_KEY: 'The message’s key is malformed. Write it once more.',
  INVALID_PAGE_SIZE: 'That page size is not allowed.',
  INVALID_PAGE: 'That page cannot be asked for.',
  INVALID_CURSOR: 'The place in the list is no longer known. Reload the page.',
  NOT_FOUND: 'It is not there, or no longer.',
  NOT_A_REPLY: 'That message is not a reply.',
  INVALID_SEARCH: 'Search for 1 to 16 words, 256 characters at most.',
  INVALID_PERIOD: 'That period is not allowed.',
  INVALID_LANGUAGE: 'The server does not know that language.',
  INVALID_TIME_ZONE: 'The server does not know your time zone.',
  INVALID_FAULTS: 'The fault script cannot be read.',
  FAULTS_NOT_ALLOWED: 'This server takes no fault scripts.',
  CONFLICT: 'Something else has changed it meanwhile, or it is still being written.',
  REPLY_UNDER_WAY: 'A reply is still being written. Wait for its end, or stop it.',
  TOO_MANY_REPLIES: 'Eight replies are waiting in this chat. Try again when one has ended.',
  TOO_MANY_OPERATIONS: 'This page has too much open at once. Reload it.',
  TOO_MANY_STREAMS: 'The server is full. Try again in a moment.',
  SHUTTING_DOWN: 'The server is restarting. Try again in a moment.',
  UNAVAILABLE: 'The server’s storage did not answer. Try again in a moment.',
  INTERNAL: 'Something went wrong on the server. Try again.',
};

const failures: Record<FailureCode, string> = {
  UPSTREAM_UNAVAILABLE: 'The bot’s service could not be reached.',
  UPSTREAM_TIMEOUT: 'The bot’s service took too long.',
  UPSTREAM_RATE_LIMITED: 'The bot’s service is too busy at the moment.',
  UPSTREAM_UNAUTHORIZED: 'The bot’s service does not accept this server’s key.',
  UPSTREAM_REFUSED: 'The bot’s service refused the request.',
  UPSTREAM_ERROR: 'The bot’s service reported an error.',
  UPSTREAM_FILTERED: 'The bot’s service withheld the answer because of its content.',
  UPSTREAM_PROTOCOL: 'The bot’s service sent something unreadable.',
  UPSTREAM_TOO_LARGE: 'The bot’s service sent too much at once.',
  UNAVAILABLE: 'The chat’s history could not be read.',
  INTERNAL: 'The bot broke down.',
  SHUTDOWN: 'It was restarting, and could wait no longer.',
};

const states: Record<ReplyState, string> = {
  STREAMING: 'Writing…',
  COMPLETE: 'Complete',
  STOPPED: 'Stopped. What was written is kept.',
  FAILED: 'Failed.',
  INTERRUPTED: 'Interrupted: the server went down while it was writing.',
  TRUNCATED: 'Broken off: the bot’s answer ended early.',
  LENGTH: 'Cut off at the longest answer allowed.',
};

export const ENGLISH = {
  errors,
  failures,
  states,
  /** For a code that this page does not know yet. */
  unknownError: (code: string) => `Something went wrong (${code}).`,

  product: 'Colloquy',
  skip: 'Skip to the conversation',
  openChats: 'Open the list of chats',
  closeChats: 'Close the list of chats',
  chats: 'Chats',
  newChat: 'New chat',
  noChats: 'No chats yet. Say hello, and one begins.',
  moreChats: 'Show more chats',
  noWords: 'Nothing said yet',
  you: 'You',
  bot: 'Bot',
  user: 'User',
  userHint: 'Whose chats are shown',
  search: 'Search messages',
  searching: 'Searching…',
  foundNothing: (query: string) => `Nothing says “${query}”.`,
  found: (count: number, isAll: boolean) =>
    `${count}${isAll ? '' : '+'} ${count === 1 && isAll ? 'message' : 'messages'} found`,
  moreFound: 'Show more messages',
  clearSearch: 'Clear the search',

  theme: 'Theme',
  themes: { system: 'System', light: 'Light', dark: 'Dark' },
  language: 'Language',
  graphiql: 'GraphiQL',
  docs: 'API docs',

  startTitle: 'What shall we talk about?',
  startHint: 'Write below, or begin with one of these.',
  suggestions: ['Say hello', 'What can you do?', 'Tell me about the sea'],
  suggestionTexts: ['Hello!', 'What can you do?', 'Tell me about the sea'],
  emptyChat: 'Nothing has been said here yet. Say hello!',

  rename: 'Rename',
  renameTitle: 'Rename this chat',
  title: 'Title',
  save: 'Save',
  cancel: 'Cancel',
  delete: 'Delete',
  deleteChat: 'Delete chat',
  deleteChatTitle: 'Delete this chat?',
  deleteChatText: (title: string) => `“${title}” and all its messages will be gone for good.`,
  deleteMessageTitle: 'Delete this message?',
  deleteMessageText: 'It will be gone for good.',

  conversation: 'Conversation',
  message: 'Message',
  messageHint: 'Write a message',
  keys: 'Enter sends, Shift+Enter begins a new line',
  keysWhileGrowing: 'Escape stops the reply',
  send: 'Send',
  stop: 'Stop the reply',
  textTooLong: (bytes: number, bytesMax: number) => `Too long: ${bytes} of ${bytesMax} bytes`,
  loadOlder: 'Load older messages',
  loading: 'Loading…',
  toLatest: 'Jump to the latest message',
  beginning: 'This is where the chat begins.',
  othersType: 'Somebody is typing…',

  sending: 'Sending…',
  sendingAgain: 'Not sent yet. Trying again…',
  notSent: 'Not sent.',
  sendAgain: 'Send again',
  discard: 'Discard',

  actions: 'What to do with this message',
  copy: 'Copy',
  copied: 'Copied',
  edit: 'Edit',
  editTitle: 'Edit the message',
  edited: 'edited',
  react: 'React',
  chooseReaction: 'Choose a reaction',
  removeReaction: (reaction: string) => `Remove the reaction ${reaction}`,
  reactions: {
    '👍': 'Thumbs up',
    '❤️': 'Heart',
    '😂': 'Laughing',
    '🎉': 'Celebration',
    '🤔': 'Thinking',
    '👎': 'Thumbs down',
  } as Record<string, string>,
  regenerate: 'Make another reply',
  regenerated: 'Another reply in place of an earlier one',
  replaced: 'Another reply was made in place of this one',
  waiting: 'Waits for its turn…',
  thinking: 'Begins to write…',
  tokens: (count: number) => `${count} ${count === 1 ? 'token' : 'tokens'}`,
  image: (description: string) => `Image${description ? `: ${description}` : ''}`,
  saidBy: (author: string, when: string) => `${author}, ${when}`,
  replyEnded: (state: string, text: string) => `Reply ended. ${state} ${text}`,

  signIn: 'Sign in',
  signOut: 'Sign out',
  signedInAs: (user: string) => `Signed in as ${user}`,
  asService: '(a service)',
  token: 'Token',
  tokenHint: 'It is kept in this tab until you close it or sign out.',
  tokenMissing: 'This server asks who you are. Give it the token that you were issued.',
  tokenOver: 'Your token has expired, or was withdrawn. Give a new one, and go on where you were: nothing is lost.',
  tokenRefused: 'The server does not take this token: it is not valid, or no longer, or meant for another server.',
  anonymous: 'This server asks nobody who they are: whoever reaches it can read every chat.',
  dismissWarning: 'Dismiss the warning',

  offline: 'You are offline. What you write is sent when you are back.',
  reconnecting: 'The connection is lost. Trying again…',
  tryNow: 'Try now',
  tryAgain: 'Try again',
  dismiss: 'Dismiss',
  gone: 'This chat is not there, or no longer.',
  toStart: 'Go to the start',
};

/** The same keys with the same sorts of values, in whatever words. */
type Words<T> = T extends string
  ? string
  : T extends (...given: infer Given) => string
    ? (...given: Given) => string
    : { readonly [Key in keyof T]: Words<T[Key]> };

export type Catalogue = Words<typeof ENGLISH>;
