import { effect, untracked } from '@preact/signals';
import { render } from 'preact';

import { forgetChats, refreshChats } from './model/chats';
import { resumeOutbox } from './model/outbox';
import { attempt } from './model/notices';
import { applyTheme } from './model/theme';
import { loadViewer, userId } from './model/user';
import { App } from './view/app';

import './style/base.css';
import './style/layout.css';
import './style/sidebar.css';
import './style/conversation.css';
import './style/controls.css';

applyTheme();
resumeOutbox();
void attempt(loadViewer);

effect(() => {
  if (userId.value === null) return;
  // It is the user that this is about; what it makes of the list must not bring it about again.
  untracked(() => {
    forgetChats();
    void refreshChats();
  });
});

// No subscription tells of all chats of a user; whoever comes back to the page sees what is new.
document.addEventListener('visibilitychange', () => {
  if (!document.hidden) void refreshChats();
});
addEventListener('online', () => {
  void attempt(loadViewer);
  void refreshChats();
});

render(<App />, document.getElementById('console')!);
