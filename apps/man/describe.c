/* SPDX-License-Identifier: MIT */
/*
 * The tables of options as JSON, for what is made of them when taskq is built: manual pages and completions (generate.py). This
 * program is compiled for the machine that builds and links nothing but the tables, so a build for another machine can run it too.
 */
#include "common/options.h"
#include "common/tables.h"

static void print_text(const char *text)
{
    if (text == NULL) {
        printf("null");
        return;
    }
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') {
            printf("\\%c", *text);
        } else if ((unsigned char)*text < 0x20) {
            printf("\\u%04x", (unsigned)*text);
        } else {
            putchar(*text);
        }
    }
    putchar('"');
}

static void print_member(const char *name, const char *text)
{
    printf("\"%s\": ", name);
    print_text(text);
    printf(", ");
}

static void print_option(const option_spec *spec)
{
    char environment[96], min[32] = "", max[32] = "";
    options_environment_name(spec, environment, sizeof(environment));
    if (spec->min != 0 || spec->max != 0) {
        options_write_number(spec->kind, spec->min, min, sizeof(min));
        options_write_number(spec->kind, spec->max, max, sizeof(max));
    }
    printf("{");
    print_member("name", spec->name);
    print_member("letter", spec->letter != 0 ? (const char[]){spec->letter, '\0'} : NULL);
    print_member("argument", spec->argument);
    print_member("help", spec->help);
    print_member("fallback", spec->fallback);
    print_member("environment", environment);
    print_member("words", spec->words);
    print_member("min", min[0] != '\0' ? min : NULL);
    print_member("max", max[0] != '\0' ? max : NULL);
    printf("\"repeated\": %s}", spec->kind == OPTION_LIST ? "true" : "false");
}

static void print_table(const option_table *table)
{
    printf("\"options\": [");
    for (size_t i = 0; table != NULL && i < table->count; i++) {
        printf("%s\n  ", i > 0 ? "," : "");
        print_option(&table->specs[i]);
    }
    printf("]");
}

static void print_program(const option_program *program)
{
    printf("{");
    print_member("name", program->name);
    print_member("help", program->help);
    print_table(&program->table);
    printf(",\n \"commands\": [");
    for (size_t i = 0; i < program->command_count; i++) {
        const option_command *command = &program->commands[i];
        printf("%s\n {", i > 0 ? "," : "");
        print_member("name", command->name);
        print_member("arguments", command->arguments);
        print_member("help", command->help);
        print_table(command->table);
        printf("}");
    }
    printf("]}");
}

int main(void)
{
    static const option_program *const programs[] = {
#if defined(TASKQ_WITH_SCHEDULER)
        &taskq_server_program,
#endif
#if defined(TASKQ_WITH_WORKER)
        &taskq_worker_program,
        &taskq_program,
#endif
    };
    printf("[");
    for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
        printf("%s", i > 0 ? ",\n" : "");
        print_program(programs[i]);
    }
    printf("]\n");
    return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}
