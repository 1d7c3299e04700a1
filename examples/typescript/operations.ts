// Made by `npm run generate`.

/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { TypedDocumentNode as DocumentNode } from '@graphql-typed-document-node/core';
/** A chat to make. */
export type CreateChatInput = {
  /** The document it is about. */
  documentId?: string | number | null | undefined;
  /** `active` if not given. */
  status?: string | null | undefined;
  /** What lists show: 1 to 200 characters, not only blanks. */
  title: string;
  /** Whose chat it is to be; your own if not given. */
  userId?: string | number | null | undefined;
};

/** Where a reply stands. Every state but `STREAMING` is final. */
export type ReplyState =
  /** The bot said all it had to say. */
  | 'COMPLETE'
  /** The bot refused or failed. */
  | 'FAILED'
  /** The server that generated it died or was shut down. */
  | 'INTERRUPTED'
  /** The bot was cut off at the longest reply allowed. */
  | 'LENGTH'
  /** Somebody stopped it. */
  | 'STOPPED'
  /** It waits for its turn, or its text grows. */
  | 'STREAMING'
  /** The bot's stream broke off without an end. */
  | 'TRUNCATED';

/** A user's message that asks for a reply. */
export type SendMessageInput = {
  /** The chat to write in. */
  chatId: string | number;
  /** Your name for this message, unique in its chat (a UUID, say): sending it again joins the same reply. */
  clientKey?: string | null | undefined;
  /** What shall go wrong in the built-in bot's answer, such as `cut@57`; only where the server allows it. */
  faults?: string | null | undefined;
  /** The language to answer in, as a BCP 47 tag such as `hi`. */
  language?: string | null | undefined;
  /** What the user says: 1 byte to 32 KiB of UTF-8, not only blanks. */
  text: string;
  /** Where the user is, as an IANA time zone such as `Asia/Kolkata`: the bot is told the local time. */
  timezone?: string | null | undefined;
  /** What to do while another reply of the chat is under way. */
  whileReplying?: WhileReplying;
};

/** What to do with a prompt that comes while a reply of the same chat is under way. */
export type WhileReplying =
  /** Stop the others, which keep the text they have, and answer it. */
  | 'INTERRUPT'
  /** Answer it when the others have ended; at most eight replies of a chat run or wait. */
  | 'QUEUE'
  /** Refuse it with `REPLY_UNDER_WAY`, and store nothing. */
  | 'REJECT';

export type CreateChatMutationVariables = Exact<{
  input: CreateChatInput;
}>;


export type CreateChatMutation = { createChat: { chat: { id: string } } };

export type SendMessageMutationVariables = Exact<{
  input: SendMessageInput;
}>;


export type SendMessageMutation = { sendMessage: { reply: { id: string } } };

export type ReplySubscriptionVariables = Exact<{
  messageId: string | number;
  after?: string | null | undefined;
}>;


export type ReplySubscription = { reply:
    | { __typename: 'ReplySnapshot', text: string, cursor: string }
    | { __typename: 'ReplyPartial', text: string, cursor: string }
    | { __typename: 'ReplyFinished', cursor: string, message: { reply: { state: ReplyState } | null } }
   };


export const CreateChatDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"CreateChat"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"CreateChatInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"createChat"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"chat"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]} as unknown as DocumentNode<CreateChatMutation, CreateChatMutationVariables>;
export const SendMessageDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"mutation","name":{"kind":"Name","value":"SendMessage"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"input"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"SendMessageInput"}}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"sendMessage"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"input"},"value":{"kind":"Variable","name":{"kind":"Name","value":"input"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"reply"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"id"}}]}}]}}]}}]} as unknown as DocumentNode<SendMessageMutation, SendMessageMutationVariables>;
export const ReplyDocument = {"kind":"Document","definitions":[{"kind":"OperationDefinition","operation":"subscription","name":{"kind":"Name","value":"Reply"},"variableDefinitions":[{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"messageId"}},"type":{"kind":"NonNullType","type":{"kind":"NamedType","name":{"kind":"Name","value":"ID"}}}},{"kind":"VariableDefinition","variable":{"kind":"Variable","name":{"kind":"Name","value":"after"}},"type":{"kind":"NamedType","name":{"kind":"Name","value":"String"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"reply"},"arguments":[{"kind":"Argument","name":{"kind":"Name","value":"messageId"},"value":{"kind":"Variable","name":{"kind":"Name","value":"messageId"}}},{"kind":"Argument","name":{"kind":"Name","value":"after"},"value":{"kind":"Variable","name":{"kind":"Name","value":"after"}}}],"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"__typename"}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ReplySnapshot"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"text"}},{"kind":"Field","name":{"kind":"Name","value":"cursor"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ReplyPartial"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"text"}},{"kind":"Field","name":{"kind":"Name","value":"cursor"}}]}},{"kind":"InlineFragment","typeCondition":{"kind":"NamedType","name":{"kind":"Name","value":"ReplyFinished"}},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"cursor"}},{"kind":"Field","name":{"kind":"Name","value":"message"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"reply"},"selectionSet":{"kind":"SelectionSet","selections":[{"kind":"Field","name":{"kind":"Name","value":"state"}}]}}]}}]}}]}}]}}]} as unknown as DocumentNode<ReplySubscription, ReplySubscriptionVariables>;
