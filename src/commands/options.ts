/** The option table as commander's options, and as the table in the README. */
import { type Command, Option } from 'commander';
import { flagOf, OPTIONS, type OptionGroup, type OptionSpec, variableOf } from '../options.ts';

/** Adds `--config` and the options of these groups to a command. They arrive as text; `loadConfig` reads them. */
export function addOptions(command: Command, groups: readonly OptionGroup[]): void {
  const config = new Option('-c, --config <file>', 'YAML or JSON file of options, named as the flags');
  command.addOption(config.helpGroup('Options:'));
  for (const group of groups) {
    for (const [name, spec] of Object.entries<OptionSpec>(OPTIONS)) {
      if (spec.group !== group) continue;
      const value = spec.bare ? `[${spec.value}]` : `<${spec.value}>`;
      const option = new Option(`--${flagOf(name)} ${value}`, describe(spec)).helpGroup(`${group}:`);
      if (spec.many) option.argParser((value, before: readonly string[] | undefined) => [...(before ?? []), value]);
      command.addOption(option);
    }
  }
}

function describe({ doc, default: standard }: OptionSpec): string {
  const plain = doc.replaceAll('`', '');
  return standard === null ? plain : `${plain} (default: ${standard})`;
}

/** The README's table, in Markdown. */
export function optionTable(): string {
  const rows = Object.entries<OptionSpec>(OPTIONS).map(([name, { value, bare, env = [], default: standard, doc }]) => {
    const variables = [variableOf(name), ...env].map((variable) => `\`${variable}\``).join(', ');
    const flag = `--${flagOf(name)} ${bare ? `[${value}]` : `<${value}>`}`;
    return `| \`${flag}\` | ${variables} | ${standard === null ? '' : `\`${standard}\``} | ${doc} |`;
  });
  return ['| flag | environment | default | |', '|---|---|---|---|', ...rows].join('\n');
}
