// A panel that opens beside a button; Escape or a press elsewhere closes it, and focus goes back to the button.
import * as Popover from '@radix-ui/react-popover';
import type { ReactNode, RefObject } from 'react';

type Props = {
  anchor: RefObject<HTMLElement | null>;
  close: () => void;
  label: string;
  className: string;
  children: ReactNode;
};

export function Popup(props: Props) {
  const onAnchor = (target: EventTarget | null) => target instanceof Node && props.anchor.current?.contains(target);
  return (
    <Popover.Root open onOpenChange={(open) => !open && props.close()}>
      <Popover.Anchor virtualRef={props.anchor as RefObject<HTMLElement>} />
      <Popover.Portal>
        <Popover.Content
          className={`popover ${props.className}`}
          align="end"
          sideOffset={4}
          collisionPadding={8}
          aria-label={props.label}
          onInteractOutside={(event) => onAnchor(event.target) && event.preventDefault()}
          onCloseAutoFocus={(event) => {
            event.preventDefault();
            props.anchor.current?.focus();
          }}
        >
          {props.children}
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  );
}
