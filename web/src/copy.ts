import { element } from './dom';

/** Gives a command line the button that copies it. */
export function addCopyButton(command: Element): void {
  const code = command.querySelector('code');
  if (!code) return;
  const button = element('button', { type: 'button', textContent: 'Copy' });
  button.setAttribute('aria-live', 'polite');
  button.addEventListener('click', async () => {
    button.textContent = (await copy(code)) ? 'Copied' : 'Press Ctrl+C';
    setTimeout(() => (button.textContent = 'Copy'), 2000);
  });
  command.append(button);
}

async function copy(code: Element): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(code.textContent ?? '');
    return true;
  } catch {
    // Browsers offer no clipboard to plain http on another host: leave the text selected for the keyboard.
    getSelection()?.selectAllChildren(code);
    return false;
  }
}
