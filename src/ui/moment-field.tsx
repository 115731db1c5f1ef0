/** A field for a moment, in the time of where the reader is. */

interface MomentFieldProps {
  readonly label: string;
  /** The label is for screen readers only. */
  readonly isBare?: boolean;
  /** Epoch seconds; null: none yet. */
  readonly value: number | null;
  /** What was entered; null where it was taken away. */
  readonly onChange: (time: number | null) => void;
}

export function MomentField({ label, isBare, value, onChange }: MomentFieldProps) {
  return (
    <label>
      <span class={isBare ? 'hidden' : undefined}>{label}</span>
      <input
        type="datetime-local"
        step="1"
        value={value === null ? '' : localOf(value)}
        onChange={({ currentTarget }) => {
          const time = new Date(currentTarget.value).getTime();
          onChange(Number.isNaN(time) ? null : time / 1000);
        }}
      />
    </label>
  );
}

/** As `datetime-local` has it. */
function localOf(time: number): string {
  const date = new Date(time * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
